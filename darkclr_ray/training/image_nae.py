"""Training of the normalised autoencoder on jet images (Dillon et al., SciPost Phys. Core 6, 074 (2023)).

Facts that the paper does not state are those of the authors' public code of February 2023. What differs here: a fixed
number of epochs of pre-training, whose last one is kept, instead of a stop after the fourth failure to improve, and the
epoch of contrastive divergence is chosen by its energy difference (as in DarkCLR), not with anomalies.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from darkclr_ray.langevin import clipped, from_energy, projected_chain
from darkclr_ray.losses.contrastive_divergence import contrastive_divergence
from darkclr_ray.networks.image_autoencoder import ImageAutoencoder, on_sphere
from darkclr_ray.randomness import digest
from darkclr_ray.settings import ImageNAESettings
from darkclr_ray.training.base import adam
from darkclr_ray.training.nae import CONTRASTIVE_DIVERGENCE
from darkclr_ray.training.pretraining import RECONSTRUCTION
from darkclr_ray.training.replay import ReplayBuffer, ReplayTraining


class ImageNAETraining(ReplayTraining[ImageAutoencoder]):
    """Train an autoencoder on images, then normalise it by contrastive divergence.

    A chain starts on the latent sphere, at the end of an earlier latent chain (replay buffer) or at a random point,
    descends the energy of the decoded image there ("on-manifold initialisation"), and then continues from the decoded
    image on the pixels.

    Args:
        images: images of background jets, float32 (B, pixels**2).
        settings: see `ImageNAESettings`.
        seed: seed of the initial weights, the batches and the chains.

    Attributes:
        model: the normalised autoencoder.
        plain: the same before contrastive divergence.
    """

    kind = "image_energy"
    second_phase = CONTRASTIVE_DIVERGENCE

    def __init__(self, images: NDArray[np.float32], settings: ImageNAESettings, *, seed: int) -> None:
        epochs = settings.reconstruction_epochs + settings.divergence_epochs
        super().__init__(images, settings, seed=seed, batch_size=settings.batch_size, epochs=epochs)
        self.settings = settings
        self.model = ImageAutoencoder(settings, seed=digest("image autoencoder", seed) >> 1)
        self.plain = ImageAutoencoder(settings)
        self.plain.load_state_dict(self.model.state_dict())
        self.buffer = ReplayBuffer(settings.buffer, settings.latent)
        self.modules = {"image_autoencoder": self.model}
        self.reconstruction_epochs = settings.reconstruction_epochs
        self.learning_rates = settings.reconstruction_learning_rate, settings.divergence_learning_rate
        self.optimizer = adam(self.modules, self.learning_rates[0])

    def artifacts(self) -> dict[str, nn.Module]:
        return {"image_autoencoder": self.model, "plain_image_autoencoder": self.plain}

    def graph_capturable(self, inputs: Sequence[Any]) -> bool:
        return False  # the size of the replay buffer changes

    def gradients(self, inputs: Sequence[Any], size: int) -> dict[str, Tensor]:
        means = super().gradients(inputs, size)
        if self.phase(self.epoch) == RECONSTRUCTION:
            norm = means["gradient_norm"]
            torch.nn.utils.clip_grads_with_norm_(self.model.parameters(), self.settings.gradient_norm, norm)
        return means

    def loss(self, images: Tensor) -> dict[str, Tensor]:
        settings, model = self.settings, self.model
        penalty = settings.weight_penalty * model.squared_weights()
        if self.phase(self.epoch) == RECONSTRUCTION:
            energy = model.energy(images).mean()
            return {"loss": energy + penalty, "energy_data": energy}
        chains = self.chains(len(images))
        energy_data, energy_chain = model.energy(torch.cat([images, chains])).chunk(2)
        divergence = contrastive_divergence(
            energy_data, energy_chain, settings.energy_penalty, settings.squared_energies
        )
        return {
            "loss": divergence + penalty,
            "energy_data": energy_data.mean(),
            "energy_chain": energy_chain.mean(),
        }

    def chains(self, count: int) -> Tensor:
        """Return ends of chains on the pixels, (count, pixels**2), and put those of the latent chains into the buffer.

        Energies here are means over the pixels.
        """
        settings, model = self.settings, self.model
        with model.frozen():
            latent = projected_chain(
                from_energy(lambda z: model.energy(model.decode(z))),
                on_sphere(self.buffer.starts(count, settings.replay, self.generator)),
                step_size=settings.latent_step_size,
                noise=[settings.latent_noise] * settings.latent_steps,
                generator=self.generator,
                clip=partial(clipped, largest=settings.gradient_clip),
                project=on_sphere,
            )
            self.buffer.push(latent)
            return projected_chain(
                from_energy(model.energy),
                model.decode(latent),
                step_size=settings.step_size,
                noise=[settings.noise / (1 + step) for step in range(settings.steps)],
                generator=self.generator,
                clip=partial(clipped_rows, settings=settings),
            )

    def record(self, means: dict[str, float]) -> dict[str, Any]:
        record = super().record(means)
        if record["phase"] == CONTRASTIVE_DIVERGENCE:
            record["energy_difference"] = means["energy_data"] - means["energy_chain"]
        return record

    def describe_chains(self) -> str:
        return (
            f"contrastive divergence with step sizes {self.settings.latent_step_size:g} on the sphere and "
            f"{self.settings.step_size:g} on pixels"
        )


def clipped_rows(gradient: Tensor, settings: ImageNAESettings) -> Tensor:
    """Return gradients (B, pixels**2) with the norm of each row of pixels, or of each image, clipped."""
    width = settings.images.pixels if settings.clip == "row" else gradient.shape[1]
    return clipped(gradient.reshape(-1, width), settings.gradient_clip).view_as(gradient)
