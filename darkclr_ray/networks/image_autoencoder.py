"""Convolutional autoencoder of jet images with a spherical latent space (Dillon et al., SciPost Phys. Core 6, 074)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils import parametrize
from torch.nn.utils.parametrizations import spectral_norm

from darkclr_ray.losses.reconstruction import squared_error
from darkclr_ray.settings import ImageNAESettings


class ImageAutoencoder(nn.Module):
    """Autoencoder of images of pixels x pixels values, with about 84,000 weights at the published size.

    Encoder: two convolutions, max-pooling by 2, three convolutions, of which the last has one channel, and two linear
    layers to a vector that is divided by its norm. Decoder: two linear layers to an image of half the size, two
    transposed convolutions, bilinear upsampling by 2, two transposed convolutions, sigmoid. All convolutions have 3 x 3
    kernels and keep the size; PReLU with one slope follows every layer but the last of each half. The weights of all
    layers are divided by their spectral norm, which one power iteration per forward pass in training mode updates.

    Args:
        settings: settings of the network; ``settings.images.pixels`` is the number of pixels along an axis.
        seed: seed of the initial weights.
    """

    def __init__(self, settings: ImageNAESettings, *, seed: int = 0) -> None:
        super().__init__()
        self.pixels, half = settings.images.pixels, settings.images.pixels // 2
        channels, small = settings.channels, half**2
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.encoder = nn.Sequential(
                *_layers(nn.Conv2d, 1, channels, channels),
                nn.MaxPool2d(2),
                nn.PReLU(),
                *_layers(nn.Conv2d, channels, channels, channels, 1),
                nn.Flatten(),
                spectral_norm(nn.Linear(small, settings.hidden)),
                nn.PReLU(),
                spectral_norm(nn.Linear(settings.hidden, settings.latent)),
            )
            self.decoder = nn.Sequential(
                spectral_norm(nn.Linear(settings.latent, settings.hidden)),
                nn.PReLU(),
                spectral_norm(nn.Linear(settings.hidden, small)),
                nn.PReLU(),
                nn.Unflatten(1, (1, half, half)),
                *_layers(nn.ConvTranspose2d, 1, channels, channels),
                nn.Upsample(scale_factor=2, mode="bilinear", align_corners=False),
                nn.PReLU(),
                *_layers(nn.ConvTranspose2d, channels, channels, 1)[:-1],
                nn.Sigmoid(),
                nn.Flatten(),
            )
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # twice as fast on a CPU

    def encode(self, images: Tensor) -> Tensor:
        """Return latent vectors of length 1, float32 (B, latent), of images (B, pixels**2)."""
        return on_sphere(self.encoder(images.view(-1, 1, self.pixels, self.pixels)))

    def decode(self, latent: Tensor) -> Tensor:
        """Return images, float32 (B, pixels**2), of latent vectors (B, latent)."""
        images: Tensor = self.decoder(latent)
        return images

    def forward(self, images: Tensor) -> Tensor:
        """Return reconstructions of images, float32 (B, pixels**2) each."""
        return self.decode(self.encode(images))

    def energy(self, images: Tensor) -> Tensor:
        """Return the squared error per pixel, float32 (B,), of images (B, pixels**2)."""
        return squared_error(images, self(images))

    def squared_weights(self) -> Tensor:
        """Return the sum of all squared weights, of which each counts as it is before the spectral norm divides it."""
        return torch.stack([weight.square().sum() for weight in self.parameters()]).sum()

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """Context in which weights are constants and their spectral norms are not updated, as chains need it."""
        training = self.training
        self.eval().requires_grad_(False)
        try:
            with parametrize.cached():
                yield
        finally:
            self.train(training).requires_grad_(True)


def _layers(convolution: type[nn.Conv2d] | type[nn.ConvTranspose2d], *channels: int) -> list[nn.Module]:
    layers: list[nn.Module] = []
    for before, after in pairwise(channels):
        layers += [spectral_norm(convolution(before, after, 3, padding=1), dim=0), nn.PReLU()]
    return layers


def on_sphere(vectors: Tensor) -> Tensor:
    """Return vectors (B, d) divided by their Euclidean norms.

    >>> on_sphere(torch.tensor([[3.0, 4.0]]))
    tensor([[0.6000, 0.8000]])
    """
    return F.normalize(vectors, dim=1)
