"""Training of the Dirichlet variational autoencoder on jet images (Dillon et al., SciPost Phys. 11, 061 (2021))."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from darkclr_ray.losses.dirichlet import normal_divergence, pixel_divergence
from darkclr_ray.networks.dirichlet_vae import DirichletVAE
from darkclr_ray.randomness import digest
from darkclr_ray.settings import DirichletVAESettings
from darkclr_ray.training.base import adam
from darkclr_ray.training.tables import TableTraining

COLLAPSED = 0.05
"""Fraction of the largest entropy of the mean mixture below which all jets use the same mixture."""


class DirichletVAETraining(TableTraining):
    """Minimise the divergence of images from their reconstructions plus that of the latent variable from its prior.

    The last epoch is kept. If the mean mixture of a batch has almost no entropy, the mixtures have collapsed into one:
    the epoch's record then has a warning.

    Args:
        images: images of background jets with unit sum, float32 (B, pixels**2).
        settings: see `DirichletVAESettings`.
        seed: seed of the initial weights, the batches and the latent variable.

    Attributes:
        model: the network.
    """

    kind = "dirichlet_vae"

    def __init__(self, images: NDArray[np.float32], settings: DirichletVAESettings, *, seed: int) -> None:
        super().__init__(images, settings, seed=seed, batch_size=settings.batch_size, epochs=settings.epochs)
        self.settings = settings
        self.model = DirichletVAE(settings, seed=digest("Dirichlet VAE", seed) >> 1)
        self.modules = {"dirichlet_vae": self.model}
        self.optimizer = adam(self.modules, settings.learning_rate, betas=(0.9, 0.99))

    def loss(self, images: Tensor) -> dict[str, Tensor]:
        model = self.model
        mean, log_variance = model.encode(images)
        noise = torch.randn(mean.shape, generator=self.generator, device=mean.device)
        latent = mean + (0.5 * log_variance).exp() * noise
        reconstruction = pixel_divergence(images, model.decode(latent)).mean()
        prior = normal_divergence(mean, log_variance, model.prior_mean, model.prior_variance).mean()
        mixture = torch.softmax(mean, dim=1).mean(0)
        return {
            "loss": reconstruction + self.settings.prior_weight * prior,
            "reconstruction": reconstruction,
            "prior": prior,
            "entropy": -torch.special.xlogy(mixture, mixture).sum(),
        }

    def record(self, means: dict[str, float]) -> dict[str, Any]:
        record = super().record(means)
        if means["entropy"] < COLLAPSED * math.log(len(self.settings.alphas)):
            record["warning"] = (
                f"the mixtures have collapsed into one: the entropy of the mean mixture is {means['entropy']:.2g}; "
                f"lower the learning rate ({self.settings.learning_rate:g})"
            )
        return record

    def describe(self) -> str:
        return f"learning rate {self.settings.learning_rate:g}"
