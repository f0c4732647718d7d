"""Measure how far an encoder's representations have collapsed, by measures that a few outliers do not change."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

SAME = 1e-3
"""Distance from the median representation, in units of its norm, within which representations count as the same."""

LARGEST_SHARE = 0.1
"""Share of jets at the median representation above which an encoder counts as collapsed.

Healthy encoders of both presets have at most 0.013, and the smallest share that was seen of an encoder with inactive
units is 0.645; the threshold is about the geometric mean.
"""


@dataclass(frozen=True)
class Collapse:
    """Measures of the collapse of representations of background jets.

    Attributes:
        share_at_median: share of the jets whose representation is within `SAME` of the median one, in [0, 1].
        median_distance: median distance from the median representation, in units of its norm.
        effective_rank: see `effective_rank`.
    """

    share_at_median: float
    median_distance: float
    effective_rank: float

    @property
    def collapsed(self) -> bool:
        """Whether the share of jets at the median exceeds `LARGEST_SHARE`."""
        return self.share_at_median > LARGEST_SHARE

    def to_json(self) -> dict[str, Any]:
        """Return the measures and the verdict as a dictionary for json.dumps."""
        return {**asdict(self), "collapsed": self.collapsed}


def measure_collapse(z: NDArray[np.floating]) -> Collapse:
    """Return the measures of representations z (B, d) of background jets. Raises ValueError without any.

    The median is that of each dimension, so that it stays where most jets are if up to half of them are elsewhere.
    """
    if not len(z):
        raise ValueError("no representations; a collapse is measured on at least one background jet")
    values = z.astype(np.float64)
    median = np.median(values, axis=0)
    norm = float(np.linalg.norm(median)) or 1.0
    distances = np.linalg.norm(values - median, axis=1) / norm
    return Collapse(float(np.mean(distances < SAME)), float(np.median(distances)), effective_rank(values))


def effective_rank(z: NDArray[np.floating]) -> float:
    """Return the effective number of dimensions in which representations z (B, d) vary, from 1 to d.

    It is the exponential of the entropy of the normalised eigenvalues of their covariance (Roy & Vetterli, EUSIPCO
    2007, with squared singular values): k for the same variance in k dimensions, and 1 if all vary together or if
    nothing varies.

    >>> round(effective_rank(np.array([[1.0, 0.0], [-1.0, 0.0], [0.0, 1.0], [0.0, -1.0]])), 6)
    2.0
    """
    centred = z.astype(np.float64) - z.mean(0, dtype=np.float64)
    eigenvalues = np.linalg.eigvalsh(centred.T @ centred).clip(min=0.0)
    total = eigenvalues.sum()
    if total == 0.0:
        return 1.0
    shares = eigenvalues[eigenvalues > 0.0] / total
    return float(np.exp(-(shares * np.log(shares)).sum()))
