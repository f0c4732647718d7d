"""Settings of the comparisons of detectors."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from darkclr_ray.settings.base import Settings


class ComparisonSettings(Settings):
    """Detectors that a study compares, and the jets they are evaluated on in addition to the study's own."""

    encoder_seeds: int = Field(5, ge=1, le=1000)
    """Number of encoders, and of supervised networks, of an ensemble (Sec. 5.1)."""
    autoencoder_seeds: int = Field(3, ge=1, le=1000)
    """Number of autoencoders on each encoder (Sec. 5.1)."""
    d_z: tuple[Annotated[int, Field(ge=2, le=4096)], ...] = (16, 32, 64, 128, 256, 512, 1024)
    """Embedding dimensions that are compared (Fig. 5 and 6); empty: no such comparison."""
    detectors: tuple[str, ...] = ()
    """Additional detectors to compare, by name or as module:name of a user's class."""
    contamination: tuple[Annotated[float, Field(ge=0.0, le=0.5)], ...] = (0.0, 0.001, 0.01, 0.03, 0.1)
    """Fractions of the training background that are jets of `supervised.signal`; empty: no such comparison."""
    further_jets: tuple[str, ...] = ()
    """Folders of jets whose test split is also evaluated: a grid of signals, background variations."""
    scan: str | None = None
    """Folder of an embedding scan, to measure the rejection lost by leave-one-signal-out selection among its trials
    (which trials there are depends on the scan's own search); none: the one beside this study's folder, if there is
    one.
    """
    stability_jets: int = Field(3000, ge=10)
    """Largest number of test jets per sample that are scored again after each perturbation."""
