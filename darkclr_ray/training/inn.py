"""Training of the coupling flow on energy-flow polynomials (Buss et al., SciPost Phys. 15, 168 (2023))."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from darkclr_ray.networks.coupling_flow import CouplingFlow
from darkclr_ray.randomness import digest
from darkclr_ray.settings import INNSettings
from darkclr_ray.training.base import adam
from darkclr_ray.training.tables import TableTraining

SMALLEST = 1e-8
"""Smallest variance of a principal axis, as a fraction of the largest, that is scaled to 1."""


class WhitenedFlow(nn.Module):
    """Density of vectors y (B, D): a coupling flow of the whitened vectors u = (y - mean) whitening.

    Args:
        dimension: dimension D of the vectors.
        settings: size of the flow.
        seed: seed of its initial weights.
    """

    mean: Tensor
    whitening: Tensor

    def __init__(self, dimension: int, settings: INNSettings, *, seed: int = 0) -> None:
        super().__init__()
        self.flow = CouplingFlow(dimension, settings.blocks, settings.hidden, seed=seed)
        self.register_buffer("mean", torch.zeros(dimension))
        self.register_buffer("whitening", torch.eye(dimension))

    def whiten(self, y: NDArray[np.float32]) -> None:
        """Set mean and whitening so that u has mean 0 and unit covariance on these vectors (B, D)."""
        mean = y.mean(0, dtype=np.float64)
        variances, axes = np.linalg.eigh(np.atleast_2d(np.cov(y.astype(np.float64), rowvar=False)))
        scale = 1.0 / np.sqrt(np.maximum(variances, SMALLEST * variances.max()))
        self.mean.copy_(torch.from_numpy(mean))
        self.whitening.copy_(torch.from_numpy(axes * scale))

    def whitened(self, y: Tensor) -> Tensor:
        """Return whitened vectors u (B, D)."""
        return (y - self.mean) @ self.whitening

    def negative_log_density(self, u: Tensor) -> Tensor:
        """Return -ln of the density of whitened vectors u, per dimension and without its constant, float32 (B,)."""
        z, log_determinant = self.flow(u)
        value: Tensor = (0.5 * z.square().sum(1) - log_determinant) / u.shape[1]
        return value


class INNTraining(TableTraining):
    """Train the flow by maximum likelihood on whitened inputs with noise that decreases from epoch to epoch.

    The last epoch is kept.

    Args:
        inputs: logarithms of the polynomials of background jets, float32 (B, D).
        settings: see `INNSettings`.
        seed: seed of the initial weights, the batches and the noise.

    Attributes:
        model: the flow with its whitening.
    """

    kind = "inn"

    def __init__(self, inputs: NDArray[np.float32], settings: INNSettings, *, seed: int) -> None:
        super().__init__(inputs, settings, seed=seed, batch_size=settings.batch_size, epochs=settings.epochs)
        self.settings = settings
        self.model = WhitenedFlow(inputs.shape[1], settings, seed=digest("INN", seed) >> 1)
        self.model.whiten(inputs)
        self.modules = {"inn": self.model}
        self.optimizer = adam(self.modules, settings.learning_rate)

    def begin_epoch(self, epoch: int) -> None:
        super().begin_epoch(epoch)
        for group in self.optimizer.param_groups:
            group["lr"] = self.settings.learning_rate * self.settings.learning_rate_decay**epoch

    def graph_capturable(self, inputs: Sequence[Any]) -> bool:
        return False  # the noise and the learning rate change from epoch to epoch

    def loss(self, inputs: Tensor) -> dict[str, Tensor]:
        u = self.model.whitened(inputs)
        deviation = self.settings.noise * self.settings.noise_decay**self.epoch
        noise = torch.randn(u.shape, generator=self.generator, device=u.device)
        return {"loss": self.model.negative_log_density(u + deviation * noise).mean()}

    def describe(self) -> str:
        return f"learning rate {self.settings.learning_rate:g}"
