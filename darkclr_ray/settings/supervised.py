"""Settings of the supervised references."""

from __future__ import annotations

from pydantic import Field

from darkclr_ray.settings.base import Settings


class SupervisedSettings(Settings):
    """Training of the supervised references: the transformer of Sec. 5.2, and boosted trees."""

    signal: str = Field("aachen", pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,99}$")
    """Sample whose training jets are the signal (Sec. 5.2: the Aachen benchmark). All training jets of background and
    signal are used, weighted to the same total; the paper trains on 50,000 of each.
    """
    match_pt: bool = False
    """Whether background is weighted to the signal's spectrum of jet pT, so that nothing is learned from it (the paper:
    no).
    """
    learning_rate: float = Field(5e-5, gt=0.0, le=1.0)
    """Adam's learning rate (that of Table 1; not specified in Sec. 5.2)."""
    batch_size: int = Field(256, ge=2, le=65536)
    """Number of jets per step, over all workers (that of Table 1; not specified in Sec. 5.2)."""
    epochs: int = Field(300, ge=1, le=100000)
    """Number of epochs (Sec. 5.2)."""
    validation: float = Field(0.1, gt=0.0, lt=1.0)
    """Fraction of the events that is held out to select the best epoch (not specified in Sec. 5.2)."""
