"""Dirichlet variational autoencoder, which describes an image as a mixture of a few images (SciPost Phys. 11, 061)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from darkclr_ray.losses.dirichlet import dirichlet_prior
from darkclr_ray.settings import DirichletVAESettings


class DirichletVAE(nn.Module):
    """Variational autoencoder of linear layers, with a softmax of its latent variable as weights of R mixtures.

    The encoder has one hidden layer with SELU and batch norm, which has a scale but no shift. The decoder has no bias
    and no hidden layer, so that its columns are the logarithms of R images, up to a constant, of which every
    reconstruction is a (geometric) mixture.

    Args:
        settings: settings of the network and of the images.
        seed: seed of the initial weights.
    """

    prior_mean: Tensor
    prior_variance: Tensor

    def __init__(self, settings: DirichletVAESettings, *, seed: int = 0) -> None:
        super().__init__()
        inputs, mixtures = settings.images.pixels**2, len(settings.alphas)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            norm = nn.BatchNorm1d(settings.hidden)
            norm.bias.requires_grad_(False)
            self.encoder = nn.Sequential(nn.Linear(inputs, settings.hidden), nn.SELU(), norm)
            self.mean = nn.Linear(settings.hidden, mixtures)
            self.log_variance = nn.Linear(settings.hidden, mixtures)
            self.decoder = nn.Linear(mixtures, inputs, bias=False)
        mean, variance = dirichlet_prior(torch.tensor(settings.alphas))
        self.register_buffer("prior_mean", mean)
        self.register_buffer("prior_variance", variance)

    def encode(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Return mean and log variance, float32 (B, R) each, of the latent variable of images (B, pixels**2)."""
        hidden = self.encoder(images)
        return self.mean(hidden), self.log_variance(hidden)

    def decode(self, latent: Tensor) -> Tensor:
        """Return the logarithms of the pixels, (B, pixels**2), of latent variables (B, R); the pixels sum to 1."""
        return torch.log_softmax(self.decoder(torch.softmax(latent, dim=1)), dim=1)
