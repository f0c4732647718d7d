"""ROC curves of anomaly scores: area, background efficiency at a signal efficiency, significance improvement.

A jet passes a cut when its score is at or above the threshold (higher = more anomalous). Where jets share a score, as
with a multiplicity, no threshold reaches a given signal efficiency exactly; the straight line between the two
neighbouring vertices does, and it is what a cut reaches that keeps a random part of the tied jets (Fawcett, Pattern
Recogn. Lett. 27 (2006) 861, Sec. 4 and 6). This makes the area equal to the Mann-Whitney statistic with ties counted
one half, and no score gains or loses by being rounded. Of several cuts with the same signal efficiency the tightest is
taken. Only the order of the scores counts: any increasing function of a score has the same curve.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]

_ROUNDING = 1e-9  # 0.2 of 4,000 jets is 800 jets, whatever the last bit of the product says


class Ranking:
    """The common order of background and signal jets under one score, sorted once and then used with any weights.

    Args:
        background: scores of the background jets, (B,).
        signal: scores of the signal jets, (S,).

    Raises:
        ValueError: no jets, or a score that is not finite.
    """

    def __init__(self, background: ArrayLike, signal: ArrayLike) -> None:
        backgrounds, signals = finite("background scores", background), finite("signal scores", signal)
        self.background_order = np.argsort(backgrounds, kind="stable")
        self.signal_order = np.argsort(-signals, kind="stable")
        ascending = backgrounds[self.background_order]
        self.thresholds = signals[self.signal_order]
        self.below = np.searchsorted(ascending, self.thresholds, side="left")
        self.upto = np.searchsorted(ascending, self.thresholds, side="right")
        self.first = np.searchsorted(-self.thresholds, -self.thresholds, side="left")
        self.last = np.searchsorted(-self.thresholds, -self.thresholds, side="right")

    def roc(self, background_weights: ArrayLike | None = None, signal_weights: ArrayLike | None = None) -> Roc:
        """The curve for weights (B,) and (S,) in the order of the scores; none counts every jet once.

        Raises:
            ValueError: a weight is negative or not finite, their number is wrong, or they sum to zero.
        """
        return Roc(
            self,
            cumulated("background weights", background_weights, self.background_order),
            cumulated("signal weights", signal_weights, self.signal_order),
        )


@dataclass(frozen=True, eq=False)
class Roc:
    """A ROC curve: a polygon from (0, 0) to (1, 1) in the plane of background and signal efficiency.

    Attributes:
        ranking: the order of the jets.
        background: cumulated weights of the background from its lowest score up, (B + 1,), beginning with 0.
        signal: cumulated weights of the signal from its highest score down, (S + 1,), beginning with 0.
    """

    ranking: Ranking
    background: Floats
    signal: Floats

    @cached_property
    def auc(self) -> float:
        """Area under the curve: the probability that a signal jet scores above a background jet, ties one half.

        >>> roc_curve([0.0, 1.0], [1.0, 2.0]).auc
        0.875
        """
        middle = 0.5 * (self.background[self.ranking.below] + self.background[self.ranking.upto])
        return float(np.diff(self.signal) @ middle / (self.background[-1] * self.signal[-1]))

    def background_efficiency(self, eps_s: ArrayLike) -> Floats:
        """Fraction of the background weight that passes at signal efficiencies ``eps_s`` in (0, 1], same shape.

        >>> roc_curve([0.0, 1.0, 1.0, 3.0], [1.0, 2.0]).background_efficiency([0.5, 0.75, 1.0]).tolist()
        [0.25, 0.5, 0.75]

        Raises:
            ValueError: an efficiency outside (0, 1].
        """
        wanted, at = self._places(eps_s)
        before, after = self.signal[self.ranking.first[at]], self.signal[self.ranking.last[at]]
        part = np.clip((wanted - before) / (after - before), 0.0, 1.0)
        above, tied = self.background[self.ranking.upto[at]], self.background[self.ranking.below[at]]
        passing = self.background[-1] - above + part * (above - tied)
        efficiency: Floats = np.maximum(passing / self.background[-1], 0.0)
        return efficiency

    def threshold(self, eps_s: ArrayLike) -> Floats:
        """The cuts that reach the signal efficiencies ``eps_s``; jets at exactly the cut pass in part."""
        cuts: Floats = self.ranking.thresholds[self._places(eps_s)[1]]
        return cuts

    def _places(self, eps_s: ArrayLike) -> tuple[Floats, NDArray[np.int64]]:
        """Signal weight that shall pass, and the first signal jet with which at least that much has passed."""
        efficiency = np.asarray(eps_s, dtype=np.float64)
        if not np.all((efficiency > 0.0) & (efficiency <= 1.0)):
            raise ValueError(f"signal efficiency {eps_s!r}: expected numbers above 0 and up to 1")
        wanted = efficiency * self.signal[-1]
        places = np.searchsorted(self.signal, wanted * (1.0 - _ROUNDING), side="left") - 1
        return wanted, np.clip(places, 0, len(self.signal) - 2)


def roc_curve(background: ArrayLike, signal: ArrayLike, weights: ArrayLike | None = None) -> Roc:
    """The ROC curve of background scores (B,), with optional weights (B,), and signal scores (S,).

    Raises:
        ValueError: no jets, a score that is not finite, or impossible weights.
    """
    return Ranking(background, signal).roc(weights)


def auc(background: ArrayLike, signal: ArrayLike, weights: ArrayLike | None = None) -> float:
    """Area under the ROC curve, in [0, 1]; 0.5 is chance.

    >>> auc([0.0, 1.0, 2.0], [1.0])
    0.5
    """
    return roc_curve(background, signal, weights).auc


def rejection_at(
    background: ArrayLike, signal: ArrayLike, eps_s: float = 0.2, weights: ArrayLike | None = None
) -> float:
    """Background rejection 1/eps_B at signal efficiency ``eps_s`` (Table 2), inf where no background survives.

    A number to quote comes from `darkclr_ray.evaluation.rejection.evaluate`: it has an interval and is never infinite.

    >>> rejection_at([0.0, 1.0, 2.0, 3.0], [2.5], eps_s=1.0)
    4.0
    """
    eps_b = float(roc_curve(background, signal, weights).background_efficiency(eps_s))
    return 1.0 / eps_b if eps_b > 0.0 else float("inf")


def significance_improvement(eps_s: float, rejection: float) -> float:
    """eps_S/sqrt(eps_B): the factor by which a cut raises S/sqrt(B) (Gallicchio et al., JHEP 04 (2011) 069).

    >>> significance_improvement(0.2, 100.0)
    2.0
    """
    return float(eps_s * np.sqrt(rejection))


def finite(what: str, values: ArrayLike) -> Floats:
    """``values`` as float64 (N,), N > 0. Raises ValueError where they are not that, or one is not finite."""
    array = np.asarray(values, dtype=np.float64)
    if array.ndim != 1 or len(array) == 0:
        raise ValueError(f"{what} of shape {array.shape}: expected one number a jet, for at least one jet")
    if not np.all(np.isfinite(array)):
        bad = int(np.argmin(np.isfinite(array)))
        raise ValueError(f"{what}: jet {bad} has {array[bad]}; only finite numbers can be ranked")
    return array


def cumulated(what: str, weights: ArrayLike | None, order: NDArray[np.int64]) -> Floats:
    """Cumulated weights in ``order``, beginning with 0, (N + 1,)."""
    if weights is None:
        return np.arange(len(order) + 1, dtype=np.float64)
    array = np.asarray(weights)
    if array.shape != order.shape:
        raise ValueError(f"{what} of shape {array.shape} for scores of shape {order.shape}: expected one a jet")
    sums = np.zeros(len(order) + 1)
    np.cumsum(array[order], out=sums[1:])
    if not (np.isfinite(sums[-1]) and sums[-1] > 0.0 and array.min() >= 0.0):
        raise ValueError(f"{what}: expected finite numbers that are not negative and not all zero")
    return sums
