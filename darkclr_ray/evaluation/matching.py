"""Weight background to the signal's spectrum of jet pT, to measure what a score finds beyond the jet pT."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from darkclr_ray.evaluation.roc import Floats, finite

BIN_WIDTH = 10.0
"""Width of a pT bin in GeV before bins are merged."""

LEAST_BACKGROUND = 20
"""Smallest number of background jets in a pT bin; a bin with fewer is merged with its neighbours."""


@dataclass(frozen=True, eq=False)
class PtBins:
    """Background and signal jets in common bins of jet pT.

    Attributes:
        edges: inner edges in GeV, increasing, (K - 1,); the outermost bins are unbounded.
        background, signal: bin of each jet, int64 (B,) and (S,).
    """

    edges: Floats
    background: NDArray[np.int64]
    signal: NDArray[np.int64]

    @staticmethod
    def of(background_pt: ArrayLike, signal_pt: ArrayLike) -> PtBins:
        """Return the bins of jets with these transverse momenta in GeV, (B,) and (S,).

        Bins begin at multiples of 10 GeV and, from the hardest jets downwards, are merged until each contains at least
        20 background jets. Every signal jet thus shares a bin with background jets, also in a bootstrap replica, and a
        signal harder than all background is represented by the hardest background jets.

        Raises:
            ValueError: no jets, or a pT that is not finite.
        """
        pt = finite("background pT", background_pt)
        grid = np.arange(np.floor(pt.min() / BIN_WIDTH), np.floor(pt.max() / BIN_WIDTH) + 2) * BIN_WIDTH
        jets_in = np.bincount(np.searchsorted(grid, pt, "right"), minlength=len(grid) + 1)
        jets_above = np.cumsum(jets_in[:0:-1])[::-1]
        edges: list[float] = []
        closed = 0
        for edge, above in zip(grid[:0:-1], jets_above[:0:-1], strict=True):
            if above - closed >= LEAST_BACKGROUND and len(pt) - above >= LEAST_BACKGROUND:
                edges.append(edge)
                closed = above
        inner = np.array(edges[::-1], dtype=np.float64)
        hardness = finite("signal pT", signal_pt)
        return PtBins(inner, np.searchsorted(inner, pt, "right"), np.searchsorted(inner, hardness, "right"))

    @property
    def number(self) -> int:
        """Return the number of bins K."""
        return len(self.edges) + 1

    def weights(self) -> Floats:
        """Return the weights (B,) with which the background has the signal's fraction of jets in every bin."""
        counts = (np.bincount(bins, minlength=self.number) for bins in (self.background, self.signal))
        weights: Floats = bin_weights(*counts)[self.background]
        return weights


def bin_weights(backgrounds: NDArray[Any], signals: NDArray[Any]) -> Floats:
    """Return the weights (K, ...) of background jets in K bins, from the numbers of jets in each bin, (K, ...).

    The weights have mean 1. They are 1 if no bin contains both background and signal, as is possible in a bootstrap
    replica of very few events.

    >>> bin_weights(np.array([60, 20]), np.array([1, 1])).round(3).tolist()
    [0.667, 2.0]
    """
    ratio = np.divide(signals, backgrounds, out=np.zeros(backgrounds.shape), where=backgrounds > 0)
    represented = (ratio * backgrounds).sum(axis=0)
    scale = np.divide(backgrounds.sum(axis=0), represented, out=np.ones(represented.shape), where=represented > 0.0)
    weights: Floats = np.where(represented > 0.0, ratio * scale, 1.0)
    return weights


@dataclass(frozen=True, eq=False)
class Matched:
    """Weights (B,) of background jets with mean 1, and the number of unweighted jets with the same power."""

    weights: Floats
    effective_size: float


def pt_weights(background_pt: ArrayLike, signal_pt: ArrayLike) -> Matched:
    """Return weights that give background jets the signal's spectrum of jet pT (GeV), in the bins of `PtBins.of`.

    >>> matched = pt_weights([155.0] * 60 + [165.0] * 20, [155.0, 165.0])
    >>> matched.weights[[0, 60]].round(3).tolist(), round(matched.effective_size)
    ([0.667, 2.0], 60)
    """
    weights = PtBins.of(background_pt, signal_pt).weights()
    return Matched(weights, effective_size(weights))


def effective_size(weights: Floats) -> float:
    """Return (sum w)^2 / sum w^2, the number of unweighted jets with the same error of a mean (Kish, 1965).

    The reference is L. Kish, Survey Sampling.

    >>> effective_size(np.array([1.0, 1.0, 0.0]))
    2.0
    """
    return float(weights.sum() ** 2 / (weights**2).sum())
