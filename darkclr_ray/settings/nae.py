"""Settings of the normalised autoencoder."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from darkclr_ray.settings.base import Probability, Settings


class NAESettings(Settings):
    """Normalised autoencoder (Sec. 4). Its energy is the squared error per dimension of the scaled representation.

    Scale and learning rate of pre-training were selected without signals, on two encoders of Table 1's size and 30,000
    jets, on background validation jets against their own views at p_drop 0.2, 0.35, 0.45, 0.6 and 0.8.
    """

    scale: Literal["dimension", "global", "none"] = "global"
    """Scaling of representations by the background's mean and standard deviation: one scale per dimension
    ("dimension"), one common scale ("global"), or none ("none", the paper). With a scale, a step size has the same
    meaning for every d_z.
    """
    hidden: tuple[Annotated[int, Field(ge=1, le=65536)], ...] = (128, 64, 32, 16, 8)
    """Widths of the encoder's hidden layers; the decoder mirrors them (Sec. 4)."""
    bottleneck: int = Field(3, ge=1, le=1024)
    """Dimension of the bottleneck (Sec. 4); with `narrow_bottleneck` the largest one."""
    narrow_bottleneck: bool = False
    """Whether the bottleneck is not wider than the effective rank of the background's representations, rounded down,
    and at least 1. A wider one reconstructs all directions in which z varies, so that its error says less of a jet.
    """
    activation: Literal["prelu", "relu", "gelu", "silu"] = "prelu"
    """Activation between layers (PReLU in the same group's jet-image NAE; not specified in the paper)."""
    batch_size: int = Field(2048, ge=2, le=1000000)
    """Number of representations per step, over all workers (same group's jet-image NAE; not specified in the paper)."""
    reconstruction_epochs: int = Field(200, ge=0, le=100000)
    """Number of epochs of pre-training by reconstruction (Sec. 4)."""
    views_p_drop: tuple[Probability, ...] = (0.3, 0.5, 0.7)
    """Drop probabilities of the background's own views that select the epoch of pre-training, by the energy's rejection
    at a view efficiency of 0.2, so that no signal is needed; empty: the last epoch is kept. Not specified in the
    paper.
    """
    reconstruction_learning_rate: float = Field(1e-4, gt=0.0, le=1.0)
    """Adam's learning rate in pre-training (same group's low-dimensional set-up; 1e-3 in their jet-image NAE). After a
    longer training the energy no longer depends on the norm, by which representations distinguish anomalies.
    """
    divergence_epochs: int = Field(100, ge=0, le=100000)
    """Number of epochs of contrastive divergence, Eq. 12 (Sec. 4); 0 leaves a plain autoencoder."""
    divergence_learning_rate: float = Field(1e-5, gt=0.0, le=1.0)
    """Adam's learning rate in contrastive divergence (same group's jet-image NAE)."""
    divergence_selection: Literal["energy_difference", "views"] = "energy_difference"
    """Criterion that selects the epoch of contrastive divergence: the energy difference closest to zero (Sec. 4), or
    the largest area under the ROC curve of the background's views at `views_p_drop` against background, among epochs
    whose chains gave no warning. Without views it is the energy difference.
    """
    steps: int = Field(40, ge=1, le=10000)
    """Number of Langevin steps of a chain, t of Eq. 11 (same group's low-dimensional set-up)."""
    step_size: float = Field(0.05, gt=0.0, le=1e6)
    """Langevin step size lambda of Eq. 10 for the squared error summed over dimensions (d_z times the energy), so that
    it has the same meaning for every d_z; from 1 on the descent overshoots. The same group's 50 in images of 1,600
    pixels corresponds to 0.03.
    """
    temperature: float | None = Field(None, gt=0.0, le=1e6)
    """Temperature T of the chains in units of the data's mean energy after pre-training; it defines the noise by
    sigma^2 = 2 lambda T. At 2 the ends of chains have the energy of the data, by equipartition: in a quadratic
    potential each dimension holds T / 2. None: `noise` is given.
    """
    noise: float | None = Field(0.005, ge=0.0, le=100.0)
    """Langevin noise sigma of Eq. 10, in units of the scaled representation. With the step size it gives about the
    temperature sigma^2 / (2 lambda) of the same group's low-dimensional set-up (lambda 1, sigma 0.02). None:
    `temperature` is given.
    """
    energy_penalty: float = Field(1.0, ge=0.0, le=1000.0)
    """Weight gamma of the squared energies in the loss (1 in the same group's jet-image NAE)."""
    squared_energies: Literal["both", "chains"] = "both"
    """Energies that the penalty squares: those of data and chains (Du and Mordatch, arXiv:1903.08689), or those of the
    chains only, as the same group's jet-image NAE does.
    """
    gradient_clip: float | None = Field(None, gt=0.0)
    """Largest norm of a chain's gradient in one step; none: no limit (the same group clips at 0.01 in images)."""
    seed: int | None = Field(None, ge=0, lt=2**31)
    """Seed of the autoencoder, so that several can be trained on one encoder; none: the study's seed."""

    @model_validator(mode="after")
    def _one_of_noise_and_temperature(self) -> NAESettings:
        if (self.noise is None) == (self.temperature is None):
            raise ValueError(
                f"nae.noise = {self.noise} and nae.temperature = {self.temperature}: give exactly one of the two "
                f"and set the other to none"
            )
        return self
