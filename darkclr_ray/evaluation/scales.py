"""Scale on which a score is shown and averaged: the score itself, or its decimal logarithm."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from darkclr_ray.evaluation.roc import Floats, finite

DECADES = 2.0
"""Decades between the 0.5% and the 99.5% quantile of positive scores above which their logarithm is used."""


@dataclass(frozen=True)
class ScoreScale:
    """Whether a score is shown on a logarithmic scale, which does not change its ranking of jets.

    Energies of autoencoders extend over many decades, so that the largest few would determine a mean of the scores.
    """

    log: bool

    @classmethod
    def of(cls, samples: Iterable[ArrayLike]) -> ScoreScale:
        """Return the scale of a score from its values (N,) for one or more samples; raise ValueError without values.

        >>> ScoreScale.of([[1.0, 10.0]]), ScoreScale.of([[1e-3, 10.0]]), ScoreScale.of([[0.0, 10.0]])
        (ScoreScale(log=False), ScoreScale(log=True), ScoreScale(log=False))
        """
        scores = np.concatenate([finite("scores", sample) for sample in samples])
        low, high = np.quantile(scores, [0.005, 0.995])
        return cls(bool(scores.min() > 0.0 and np.log10(high / low) > DECADES))

    def __call__(self, scores: ArrayLike) -> Floats:
        """Return the scores (N,), or their decimal logarithm."""
        values = np.asarray(scores, dtype=np.float64)
        return np.log10(np.maximum(values, np.finfo(np.float64).tiny)) if self.log else values

    def inverse(self, values: ArrayLike) -> Floats:
        """Return the scores of values (N,) on this scale."""
        shown = np.asarray(values, dtype=np.float64)
        return 10.0**shown if self.log else shown


def central_spread(values: ArrayLike) -> float:
    """Return half the width of the central 68% of values (N,), which outliers do not change; 1 if it is 0.

    >>> round(central_spread(np.random.default_rng(1).normal(0.0, 3.0, 100_000)), 1)
    3.0
    """
    low, high = np.quantile(finite("values", values), [0.16, 0.84])
    return float(high - low) / 2 or 1.0
