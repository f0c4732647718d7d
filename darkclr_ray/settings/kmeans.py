"""Settings of the clusters of jet images."""

from __future__ import annotations

from pydantic import Field

from darkclr_ray.settings.base import Settings
from darkclr_ray.settings.inputs import ImageSettings


class KMeansSettings(Settings):
    """Clusters of jet images (Buss et al., SciPost Phys. 15, 168 (2023)), with the values of the authors' code."""

    images: ImageSettings = ImageSettings(power=0.25, smearing=3.0)
    """Images of the jets."""
    jets: int = Field(100_000, ge=2)
    """Largest number of training jets, evenly spread over the sample."""
    clusters: int = Field(100, ge=1, le=100000)
    """Number of clusters."""
