"""ROC curves of anomaly scores: area, background efficiency at a signal efficiency, significance improvement.

A jet passes a cut if its score is at or above the threshold (higher = more anomalous). If jets share a score, as with a
multiplicity, no threshold reaches a given signal efficiency exactly. The straight line between the two neighbouring
vertices does; it describes a cut that keeps a random fraction of the tied jets (Fawcett, Pattern Recogn. Lett. 27
(2006) 861, Sec. 4 and 6). The area then equals the Mann-Whitney statistic with ties counted one half, and rounding a
score gives no advantage. Of several cuts with the same signal efficiency the tightest is used. Only the order of the
scores matters: any increasing function of a score has the same curve.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]

ROUNDING = 1e-9  # 0.2 of 4,000 jets is 800 jets, independently of rounding


class SortedScores:
    """Scores (B,) of background jets in ascending order, sorted once and reused for all signals.

    Raises:
        ValueError: no jets, or a score that is not finite.
    """

    def __init__(self, scores: ArrayLike) -> None:
        values = finite("background scores", scores)
        self.order = np.argsort(values, kind="stable")
        self.ascending = values[self.order]


class Ranking:
    """Common order of background and signal jets under one score, sorted once and reused for any weights.

    Args:
        background: scores of the background jets, (B,), or these already sorted.
        signal: scores of the signal jets, (S,).

    Raises:
        ValueError: no jets, or a score that is not finite.
    """

    def __init__(self, background: ArrayLike | SortedScores, signal: ArrayLike) -> None:
        backgrounds = background if isinstance(background, SortedScores) else SortedScores(background)
        signals = finite("signal scores", signal)
        self.background_order, ascending = backgrounds.order, backgrounds.ascending
        self.signal_order = np.argsort(-signals, kind="stable")
        self.thresholds = signals[self.signal_order]
        self.below = np.searchsorted(ascending, self.thresholds, side="left")
        self.upto = np.searchsorted(ascending, self.thresholds, side="right")
        self.first = np.searchsorted(-self.thresholds, -self.thresholds, side="left")
        self.last = np.searchsorted(-self.thresholds, -self.thresholds, side="right")

    def roc(self, background_weights: ArrayLike | None = None, signal_weights: ArrayLike | None = None) -> Roc:
        """Return the curve for weights (B,) and (S,) in the order of the scores; by default every jet counts once.

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
    """ROC curve, a polygon from (0, 0) to (1, 1) in the plane of background and signal efficiency.

    Attributes:
        ranking: the order of the jets.
        background: cumulative weights of the background in ascending order of scores, (B + 1,), beginning with 0.
        signal: cumulative weights of the signal in descending order of scores, (S + 1,), beginning with 0.
    """

    ranking: Ranking
    background: Floats
    signal: Floats

    @cached_property
    def auc(self) -> float:
        """Return the area under the curve: the probability that a signal jet scores above background, ties one half.

        >>> roc_curve([0.0, 1.0], [1.0, 2.0]).auc
        0.875
        """
        middle = 0.5 * (self.background[self.ranking.below] + self.background[self.ranking.upto])
        return float(np.diff(self.signal) @ middle / (self.background[-1] * self.signal[-1]))

    def background_efficiency(self, eps_s: ArrayLike) -> Floats:
        """Return the fraction of background weight that passes at signal efficiencies ``eps_s`` in (0, 1], same shape.

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
        """Return the cuts that reach the signal efficiencies ``eps_s``; jets exactly at the cut pass in part."""
        cuts: Floats = self.ranking.thresholds[self._places(eps_s)[1]]
        return cuts

    def _places(self, eps_s: ArrayLike) -> tuple[Floats, NDArray[np.int64]]:
        """Return the signal weight that passes, and the first signal jet at which at least that much has passed."""
        efficiency = np.asarray(eps_s, dtype=np.float64)
        if not np.all((efficiency > 0.0) & (efficiency <= 1.0)):
            raise ValueError(f"signal efficiency {eps_s!r}: expected numbers above 0 and up to 1")
        wanted = efficiency * self.signal[-1]
        places = np.searchsorted(self.signal, wanted * (1.0 - ROUNDING), side="left") - 1
        return wanted, np.clip(places, 0, len(self.signal) - 2)


def roc_curve(background: ArrayLike, signal: ArrayLike, weights: ArrayLike | None = None) -> Roc:
    """Return the ROC curve of background scores (B,), with optional weights (B,), and signal scores (S,).

    Raises:
        ValueError: no jets, a score that is not finite, or invalid weights.
    """
    return Ranking(background, signal).roc(weights)


def auc(background: ArrayLike, signal: ArrayLike, weights: ArrayLike | None = None) -> float:
    """Return the area under the ROC curve, in [0, 1]; 0.5 corresponds to random guessing.

    >>> auc([0.0, 1.0, 2.0], [1.0])
    0.5
    """
    return roc_curve(background, signal, weights).auc


def rejection_at(
    background: ArrayLike, signal: ArrayLike, eps_s: float = 0.2, weights: ArrayLike | None = None
) -> float:
    """Return the background rejection 1/eps_B at signal efficiency ``eps_s`` (Table 2), inf if no background survives.

    For results to quote use `darkclr_ray.evaluation.rejection.evaluate`, which returns intervals and never infinity.

    >>> rejection_at([0.0, 1.0, 2.0, 3.0], [2.5], eps_s=1.0)
    4.0
    """
    eps_b = float(roc_curve(background, signal, weights).background_efficiency(eps_s))
    return 1.0 / eps_b if eps_b > 0.0 else float("inf")


def significance_improvement(eps_s: float, rejection: float) -> float:
    """Return eps_S/sqrt(eps_B), the factor by which a cut raises S/sqrt(B) (Gallicchio et al., JHEP 04 (2011) 069).

    >>> significance_improvement(0.2, 100.0)
    2.0
    """
    return float(eps_s * np.sqrt(rejection))


def finite(what: str, values: ArrayLike) -> Floats:
    """Return ``values`` as float64 (N,). Raises ValueError if N is 0, or if a value is not finite."""
    array = np.asarray(values, dtype=np.float64)
    if array.ndim != 1 or len(array) == 0:
        raise ValueError(f"{what} of shape {array.shape}: expected one number a jet, for at least one jet")
    if not np.all(np.isfinite(array)):
        bad = int(np.argmin(np.isfinite(array)))
        raise ValueError(f"{what}: jet {bad} has {array[bad]}; only finite numbers can be ranked")
    return array


def cumulated(what: str, weights: ArrayLike | None, order: NDArray[np.int64]) -> Floats:
    """Return the cumulative weights in ``order``, beginning with 0, (N + 1,)."""
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
