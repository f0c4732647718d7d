"""Settings of the normalised autoencoder on jet images."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from darkclr_ray.settings.base import Probability, Settings
from darkclr_ray.settings.inputs import ImageSettings


class ImageNAESettings(Settings):
    """Normalised autoencoder on jet images (Dillon et al., SciPost Phys. Core 6, 074 (2023)).

    The defaults are those of the authors' code (February 2023), if nothing else is said. The window, which the code
    does not give for dark jets, is that of the Aachen recipe, and the power of the pixels for these is not published.
    """

    images: ImageSettings = ImageSettings(power=0.01, smearing=1.0)
    """Images of the jets. The power was chosen among 1, 0.3, 0.1 and 0.01 without signals: with pre-training on 3,000
    jets, 20 x 20 pixels and no filter, the area between background validation jets and their own views at p_drop 0.3
    is 0.55, 0.67, 0.69 and 0.70.
    """
    jets: int = Field(100_000, ge=2)
    """Largest number of training jets, evenly spread over the sample."""
    channels: int = Field(8, ge=1, le=1024)
    """Number of channels of the convolutions."""
    hidden: int = Field(100, ge=1, le=65536)
    """Width of the linear layer on either side of the latent space."""
    latent: int = Field(3, ge=2, le=1024)
    """Dimension of the space in which the latent vectors lie on the unit sphere."""
    batch_size: int = Field(2048, ge=2, le=1000000)
    """Number of images per step, over all workers."""
    reconstruction_epochs: int = Field(100, ge=0, le=100000)
    """Number of epochs of pre-training by reconstruction; the last one is kept."""
    reconstruction_learning_rate: float = Field(1e-3, gt=0.0, le=1.0)
    """Adam's learning rate in pre-training."""
    gradient_norm: float = Field(0.1, gt=0.0)
    """Largest norm of the loss's gradient in pre-training; a longer gradient is scaled down to it."""
    weight_penalty: float = Field(1e-8, ge=0.0)
    """Weight of the sum of all squared weights in the loss."""
    divergence_epochs: int = Field(50, ge=0, le=100000)
    """Number of epochs of contrastive divergence; the one whose energy difference is closest to zero is kept."""
    divergence_learning_rate: float = Field(1e-5, gt=0.0, le=1.0)
    """Adam's learning rate in contrastive divergence."""
    energy_penalty: float = Field(1.0, ge=0.0, le=1000.0)
    """Weight gamma of the squared energies in the loss."""
    squared_energies: Literal["both", "chains"] = "chains"
    """Energies that the penalty squares."""
    replay: Probability = 0.95
    """Probability that a latent chain starts at an earlier chain's end instead of a random point."""
    buffer: int = Field(10_000, ge=1, le=10**7)
    """Number of earlier ends of latent chains that are kept."""
    latent_steps: int = Field(30, ge=1, le=10000)
    """Number of Langevin steps in the latent space, on the energy of the decoded image."""
    latent_step_size: float = Field(100.0, gt=0.0, le=1e6)
    """Step size in the latent space."""
    latent_noise: float = Field(0.01, ge=0.0, le=100.0)
    """Noise per step in the latent space."""
    steps: int = Field(30, ge=1, le=10000)
    """Number of Langevin steps on the pixels, from the decoded ends of the latent chains."""
    step_size: float = Field(50.0, gt=0.0, le=1e6)
    """Step size on the pixels."""
    noise: float = Field(1e-4, ge=0.0, le=100.0)
    """Noise of the first step on the pixels; step k has a k-th of it."""
    gradient_clip: float = Field(0.01, gt=0.0)
    """Largest norm of a chain's gradient in one step, in the latent space and on the pixels."""
    clip: Literal["row", "image"] = "row"
    """Norm that is clipped on the pixels: that of each row of pixels (authors' code), or that of the image."""
