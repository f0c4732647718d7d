"""Settings of the coupling flow of energy-flow polynomials."""

from __future__ import annotations

from pydantic import Field

from darkclr_ray.settings.base import Settings


class INNSettings(Settings):
    """Coupling flow of energy-flow polynomials (Buss et al., SciPost Phys. 15, 168 (2023)).

    The defaults are those of the authors' code, if nothing else is said.
    """

    beta: float = Field(2.0, gt=0.0, le=10.0)
    """Power of the angular distance in the polynomials."""
    jets: int = Field(100_000, ge=2)
    """Largest number of training jets, evenly spread over the sample."""
    blocks: int = Field(24, ge=1, le=1000)
    """Number of affine coupling blocks."""
    hidden: int = Field(512, ge=1, le=65536)
    """Width of the hidden layer of each block's network."""
    noise: float = Field(0.5, ge=0.0, le=100.0)
    """Standard deviation of the noise that is added to the whitened inputs in the first epoch."""
    noise_decay: float = Field(0.95, gt=0.0, le=1.0)
    """Factor of the noise per epoch."""
    learning_rate: float = Field(1e-4, gt=0.0, le=1.0)
    """Adam's learning rate in the first epoch."""
    learning_rate_decay: float = Field(0.98, gt=0.0, le=1.0)
    """Factor of the learning rate per epoch."""
    batch_size: int = Field(512, ge=2, le=1000000)
    """Number of jets per step, over all workers."""
    epochs: int = Field(300, ge=1, le=100000)
    """Number of epochs; the last one is kept."""
