"""Settings of the Wasserstein normalised autoencoder."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from darkclr_ray.settings.base import Probability, Settings
from darkclr_ray.settings.views_observables import ViewsObservablesSettings


class WNAESettings(Settings):
    """Wasserstein normalised autoencoder (CMS, Mach. Learn.: Sci. Technol. 7, 035030 (2026), arXiv:2510.02168).

    Loss, persistent chains, replay and bounds are those of the public code, which leaves the network to the user. The
    other values were fixed before any signal was used: step size and noise correspond to a temperature of 0.05.
    """

    observables: tuple[str, ...] = Field(ViewsObservablesSettings().observables, min_length=2)
    """Observables of a jet that the autoencoder reconstructs, see `darkclr_ray.jets.observables`; they are scaled to
    mean 0 and standard deviation 1 in background.
    """
    jets: int = Field(100_000, ge=2)
    """Largest number of training jets, evenly spread over the sample."""
    hidden: tuple[Annotated[int, Field(ge=1, le=65536)], ...] = (64, 32, 16)
    """Widths of the encoder's hidden layers; the decoder mirrors them."""
    bottleneck: int = Field(8, ge=1, le=1024)
    """Dimension of the bottleneck."""
    batch_size: int = Field(256, ge=2, le=100000)
    """Number of jets per step, over all workers, between which and as many chains the distance is computed."""
    reconstruction_epochs: int = Field(100, ge=0, le=100000)
    """Number of epochs of pre-training by reconstruction; its last one is the plain autoencoder."""
    reconstruction_learning_rate: float = Field(1e-3, gt=0.0, le=1.0)
    """Adam's learning rate in pre-training."""
    wasserstein_epochs: int = Field(50, ge=0, le=100000)
    """Number of epochs in which the Wasserstein distance is minimised; that of the smallest distance is kept. With 0
    the autoencoder stays plain.
    """
    wasserstein_learning_rate: float = Field(1e-3, gt=0.0, le=1.0)
    """Adam's learning rate in these epochs."""
    steps: int = Field(10, ge=1, le=1000)
    """Number of Langevin steps of a chain."""
    step_size: float = Field(0.4, gt=0.0, le=1e6)
    """Langevin step size for the squared error per dimension."""
    noise: float = Field(0.2, ge=0.0, le=100.0)
    """Langevin noise per step, in units of the scaled inputs."""
    bound: float = Field(3.0, gt=0.0, le=1000.0)
    """Largest absolute value of a chain's coordinates, in units of the scaled inputs."""
    replay: Probability = 0.95
    """Probability that a chain starts at an earlier chain's end instead of a normally distributed point."""
    buffer: int = Field(10_000, ge=1, le=10**7)
    """Number of earlier ends of chains that are kept."""
