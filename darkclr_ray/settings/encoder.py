"""Settings of the encoder and of its contrastive training."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from darkclr_ray.settings.base import Probability, Settings


class EncoderSettings(Settings):
    """Transformer encoder (Sec. 3.3 and Table 1)."""

    d_r: int = Field(128, ge=4, le=4096)
    """Dimension of an embedded constituent and of the representation before the head (d_r)."""
    d_h: int = Field(512, ge=4, le=16384)
    """Hidden width of the feed-forward networks in the blocks (d_h)."""
    d_z: int = Field(512, ge=2, le=4096)
    """Dimension of the head's output, the representation, and width of the head's hidden layers (authors' code)."""
    heads: int = Field(4, ge=1, le=64)
    """Number of self-attention heads; must divide `d_r`."""
    layers: int = Field(4, ge=1, le=48)
    """Number of transformer blocks (N)."""
    head_layers: int = Field(2, ge=1, le=8)
    """Number of linear layers of the head network."""
    head_slope: float = Field(0.0, ge=0.0, lt=1.0)
    """Slope of the head's activation for negative values: 0 is the paper's ReLU. In a short training all units of a
    ReLU can become inactive for all jets, so that the encoder collapses; a slope of 0.1 prevents it (Maas et al.,
    Proc. ICML 30 (2013) 3).
    """
    dropout: float = Field(0.1, ge=0.0, le=0.99)
    """Dropout rate in the blocks during training."""

    @model_validator(mode="after")
    def _heads_divide_width(self) -> EncoderSettings:
        if self.d_r % self.heads:
            raise ValueError(
                f"encoder.heads = {self.heads} does not divide encoder.d_r = {self.d_r}; "
                f"choose d_r as a multiple of the number of heads"
            )
        return self


class ContrastiveSettings(Settings):
    """Training of the encoder (Sec. 3.1, Table 1)."""

    loss: Literal["anomaly_contrastive", "nt_xent"] = "anomaly_contrastive"
    """Eq. 3 with a penalty on the norm (DarkCLR), or NT-Xent over positive pairs (JetCLR)."""
    temperature: float = Field(0.1, gt=0.0, le=100.0)
    """Temperature tau that divides the cosine similarities (authors' code; Eq. 3 has none)."""
    norm_penalty: float = Field(1e-3, ge=0.0, le=10.0)
    """Weight of the mean L2 norm of the anchors' representations in the loss (Sec. 4; value of the authors' code)."""
    variance_weight: float = Field(0.0, ge=0.0, le=1000.0)
    """Weight of a penalty on dimensions of the anchors' directions, times sqrt(d_z), whose standard deviation is below
    1 (VICReg, arXiv:2105.04906). Eq. 3 alone has its optimum at one direction for all background jets.
    """
    covariance_weight: float = Field(0.0, ge=0.0, le=1000.0)
    """Weight of the squared covariances of these dimensions (VICReg)."""
    uniformity_weight: float = Field(0.0, ge=0.0, le=1000.0)
    """Weight of the anchors' uniformity on the unit sphere (Wang & Isola, arXiv:2005.10242)."""
    denominator_weight: float = Field(0.0, ge=0.0, le=1000.0)
    """Weight of the denominator over background jets; with 1 the loss is the full one of AnomalyCLR
    (arXiv:2301.04660).
    """
    learning_rate: float = Field(5e-5, gt=0.0, le=1.0)
    """Adam's learning rate (Table 1)."""
    adam_beta1: Probability = 0.9
    """Adam's beta_1 (Table 1)."""
    adam_beta2: Probability = 0.999
    """Adam's beta_2 (Table 1)."""
    adam_epsilon: float = Field(1e-4, gt=0.0, le=1.0)
    """Adam's epsilon (authors' code; JetCLR uses 1e-8)."""
    batch_size: int = Field(256, ge=2, le=65536)
    """Number of jets per step, over all workers (Table 1)."""
    epochs: int = Field(150, ge=0, le=100000)
    """Number of epochs (Table 1); 0 leaves the encoder untrained."""
