"""Training of the Wasserstein normalised autoencoder (CMS, arXiv:2510.02168)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from darkclr_ray.losses.reconstruction import squared_error
from darkclr_ray.losses.wasserstein import wasserstein
from darkclr_ray.networks.autoencoder import Autoencoder
from darkclr_ray.normal import normal_like
from darkclr_ray.randomness import digest
from darkclr_ray.settings import NAESettings, WNAESettings
from darkclr_ray.training.base import TrainingDiverged, adam
from darkclr_ray.training.energy_model import EnergyModel, fitted_scale
from darkclr_ray.training.nae import RECONSTRUCTION
from darkclr_ray.training.replay import ReplayBuffer, ReplayTraining

WASSERSTEIN = "wasserstein"


class WassersteinTraining(ReplayTraining[EnergyModel]):
    """Train an autoencoder, then minimise the Wasserstein distance between data and the ends of its Langevin chains.

    The chains sample the Boltzmann distribution of the squared error per dimension. They are persistent: a chain starts
    at an earlier end or, rarely, at a normally distributed point. The gradient of the distance goes through all steps
    of a chain to the autoencoder's weights. The epoch with the smallest mean distance is kept.

    Args:
        z: background observables or representations, float32 (B, D); each dimension is scaled to unit variance.
        settings: see `WNAESettings`.
        seed: seed of the initial weights, the batches and the chains.

    Attributes:
        model: the autoencoder with its scale.
        plain: the same after the pre-training, the form without chains.
    """

    kind = "wasserstein"

    def __init__(self, z: NDArray[np.float32], settings: WNAESettings, *, seed: int) -> None:
        epochs = settings.reconstruction_epochs + settings.wasserstein_epochs
        super().__init__(z, settings, seed=seed, batch_size=settings.batch_size, epochs=epochs)
        self.settings = settings
        self.model = untrained(z.shape[1], settings, seed=digest("Wasserstein autoencoder", seed) >> 1)
        mean, scale = fitted_scale(z, "dimension")
        self.model.mean.copy_(torch.from_numpy(mean))
        self.model.scale.copy_(torch.from_numpy(scale))
        self.plain = untrained(z.shape[1], settings)
        self.plain.load_state_dict(self.model.state_dict())
        self.buffer = ReplayBuffer(settings.buffer, z.shape[1])
        self.modules = {"wasserstein_autoencoder": self.model}
        self.optimizer = adam(self.modules, settings.reconstruction_learning_rate)

    def artifacts(self) -> dict[str, nn.Module]:
        return {"wasserstein_autoencoder": self.model, "plain_wasserstein_autoencoder": self.plain}

    def phase(self, epoch: int) -> str:
        return RECONSTRUCTION if epoch < self.settings.reconstruction_epochs else WASSERSTEIN

    def begin_epoch(self, epoch: int) -> None:
        super().begin_epoch(epoch)
        if epoch == self.settings.reconstruction_epochs:
            self.optimizer = adam(self.modules, self.settings.wasserstein_learning_rate)

    def graph_capturable(self, inputs: Sequence[Any]) -> bool:
        return False  # the assignment is computed on the host

    def loss(self, z: Tensor) -> dict[str, Tensor]:
        z = self.model.scaled(z)
        if self.phase(self.epoch) == RECONSTRUCTION:
            return {"loss": self.model.autoencoder.energy(z).mean()}
        ends = self.chains(len(z))
        self.buffer.push(ends)
        if not bool(ends.isfinite().all()):
            raise TrainingDiverged(f"{self.kind}: chains are not finite in epoch {self.epoch} ({self.describe()})")
        autoencoder = self.model.autoencoder
        with torch.no_grad():
            energies = autoencoder.energy(torch.cat([z, ends])).chunk(2)
        return {
            "loss": wasserstein(z, ends),
            "energy_data": energies[0].mean(),
            "energy_chain": energies[1].mean(),
        }

    def chains(self, count: int) -> Tensor:
        """Return ends of chains, (count, D), as differentiable functions of the autoencoder's weights."""
        settings = self.settings
        x = self.buffer.starts(count, settings.replay, self.generator).requires_grad_()
        for _ in range(settings.steps):
            energy = differentiable_energy(self.model.autoencoder, x).sum()
            (gradient,) = torch.autograd.grad(energy, x, create_graph=True)
            x = x - settings.step_size * gradient + settings.noise * normal_like(x.detach(), self.generator)
            x = x.clamp(-settings.bound, settings.bound)
        return x

    def record(self, means: dict[str, float]) -> dict[str, Any]:
        record = {"epoch": self.epoch, "phase": self.phase(self.epoch), **means}
        return {**record, "distance": means["loss"]} if record["phase"] == WASSERSTEIN else record

    def describe(self) -> str:
        settings = self.settings
        if self.phase(self.epoch) == RECONSTRUCTION:
            return f"pre-training at learning rate {settings.reconstruction_learning_rate:g}"
        temperature = settings.noise**2 / (2 * settings.step_size) if settings.step_size else math.inf
        return (
            f"chains of {settings.steps} steps of size {settings.step_size:g} at temperature {temperature:.2g}, "
            f"learning rate {settings.wasserstein_learning_rate:g}"
        )


def differentiable_energy(autoencoder: Autoencoder, z: Tensor) -> Tensor:
    """Return the squared error per dimension, (B,), by operations that can be differentiated twice on every device."""
    return squared_error(z, autoencoder.decoder(autoencoder.encoder(z)))


def untrained(dimension: int, settings: WNAESettings, *, seed: int = 0) -> EnergyModel:
    """Return the autoencoder that the settings define, with the scale of its inputs."""
    network = NAESettings(hidden=settings.hidden, bottleneck=settings.bottleneck)
    return EnergyModel(dimension, network, seed=seed)
