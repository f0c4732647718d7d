"""Base class of trainings of an autoencoder that begin with pre-training by reconstruction."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any, ClassVar, Generic, TypeVar

from torch import nn

from darkclr_ray.training.base import Training, adam

RECONSTRUCTION = "reconstruction"
Network = TypeVar("Network", bound=nn.Module)


class PretrainedTraining(Training, Generic[Network]):
    """Train an autoencoder by reconstruction, keep a plain copy of it, and go on from that copy with another loss.

    A subclass sets in its constructor, beside the attributes of `Training`:
        model: the autoencoder.
        plain: the same as it is after pre-training; the subclass selects its epoch.
        reconstruction_epochs: number of epochs of pre-training, the first of all ``epochs``.
        learning_rates: Adam's learning rates in pre-training and afterwards.
    """

    second_phase: ClassVar[str]
    """Name of the phase after pre-training."""

    model: Network
    plain: Network
    reconstruction_epochs: int
    learning_rates: tuple[float, float]

    def phase(self, epoch: int) -> str:
        """Return the name of the phase that an epoch belongs to."""
        return RECONSTRUCTION if epoch < self.reconstruction_epochs else self.second_phase

    def begin_epoch(self, epoch: int) -> None:
        super().begin_epoch(epoch)
        if epoch == self.reconstruction_epochs:
            self.model.load_state_dict(self.plain.state_dict())
            self.optimizer = adam(self.modules, self.learning_rates[1])

    def record(self, means: dict[str, float]) -> dict[str, Any]:
        return {"epoch": self.epoch, "phase": self.phase(self.epoch), **means}

    def finish(self) -> None:
        """Load the weights of the best epoch, or those of the plain autoencoder if there is no second phase."""
        super().finish()
        if self.epochs == self.reconstruction_epochs:
            self.model.load_state_dict(self.plain.state_dict())

    def describe(self) -> str:
        if self.phase(self.epoch) == RECONSTRUCTION:
            return f"pre-training at learning rate {self.learning_rates[0]:g}"
        return f"{self.describe_chains()}, learning rate {self.learning_rates[1]:g}"

    @abstractmethod
    def describe_chains(self) -> str:
        """Return the settings of the second phase's Langevin chains, as text for the error message."""

    def state_dict(self) -> dict[str, Any]:
        return {**super().state_dict(), "plain": self.plain.state_dict()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        super().load_state_dict(state)
        self.plain.load_state_dict(state["plain"])
