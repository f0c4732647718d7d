"""Weight background to the signal's spectrum of jet pT, to measure what a score finds beyond the jet pT."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from darkclr_ray.evaluation.roc import Floats, finite

Counts = NDArray[np.int64]
"""Number of times that each jet occurs in a bootstrap replica."""

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
        jets_above = len(pt) - np.searchsorted(np.sort(pt), grid)
        edges: list[float] = []
        closed = 0
        for edge, above in zip(grid[:0:-1], jets_above[:0:-1], strict=True):
            if above - closed >= LEAST_BACKGROUND and len(pt) - above >= LEAST_BACKGROUND:
                edges.append(edge)
                closed = above
        inner = np.array(edges[::-1], dtype=np.float64)
        hardness = finite("signal pT", signal_pt)
        return PtBins(inner, np.searchsorted(inner, pt, "right"), np.searchsorted(inner, hardness, "right"))

    def weights(self, background: Counts | None = None, signal: Counts | None = None) -> Floats:
        """Return the weights (B,) with which the background has the signal's fraction of jets in every bin.

        Args:
            background, signal: multiplicity of each jet, (B,) and (S,); None means once.
        """
        bins = len(self.edges) + 1
        backgrounds = np.bincount(self.background, background, minlength=bins)
        signals = np.bincount(self.signal, signal, minlength=bins)
        ratio = np.divide(signals, backgrounds, out=np.zeros(bins), where=backgrounds > 0)
        represented = ratio @ backgrounds
        if represented == 0.0:  # possible in a replica of very few events
            ratio[:], represented = 1.0, backgrounds.sum()
        ratio *= backgrounds.sum() / represented
        weights: Floats = ratio[self.background]
        return weights if background is None else weights * background


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
