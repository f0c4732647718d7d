"""Settings of the Dirichlet variational autoencoder."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from darkclr_ray.settings.base import Settings
from darkclr_ray.settings.inputs import ImageSettings


class DirichletVAESettings(Settings):
    """Dirichlet variational autoencoder on jet images (Dillon et al., SciPost Phys. 11, 061 (2021)).

    The defaults are those of the authors' code, if nothing else is said. Number and prior of the mixtures for dark jets
    are not published; the power of the pixels is that of the k-means of Buss et al., SciPost Phys. 15, 168 (2023).
    """

    images: ImageSettings = ImageSettings(power=0.25)
    """Images of the jets."""
    jets: int = Field(100_000, ge=2)
    """Largest number of training jets, evenly spread over the sample."""
    hidden: int = Field(100, ge=1, le=65536)
    """Width of the encoder's hidden layer."""
    alphas: tuple[Annotated[float, Field(gt=0.0, le=1000.0)], ...] = Field((1.0, 1.0, 1.0), min_length=2)
    """Parameters of the Dirichlet prior, one for each mixture (0.9 for each of two in the authors' example)."""
    prior_weight: float = Field(0.1, ge=0.0, le=1000.0)
    """Weight of the divergence from the prior in the loss."""
    learning_rate: float = Field(5e-3, gt=0.0, le=1.0)
    """Adam's learning rate; its betas are 0.9 and 0.99."""
    batch_size: int = Field(100, ge=2, le=1000000)
    """Number of images per step, over all workers."""
    epochs: int = Field(200, ge=1, le=100000)
    """Number of epochs; the last one is kept."""
