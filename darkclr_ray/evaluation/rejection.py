"""What one score reaches against one signal: area and rejections with intervals, each with its pT-matched twin."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike

from darkclr_ray.evaluation.bootstrap import percentiles, resampled
from darkclr_ray.evaluation.intervals import ONE_SIGMA, Interval, clopper_pearson, inverted, upper_limit
from darkclr_ray.evaluation.matching import PtBins, effective_size
from darkclr_ray.evaluation.roc import Floats, Ranking, Roc, finite, significance_improvement


@dataclass(frozen=True)
class Rejection:
    """Background rejection 1/eps_B at one signal efficiency.

    Attributes:
        eps_s: signal efficiency of the cut.
        value: the rejection; where ``lower_bound``, what it exceeds with a confidence of 95%.
        low, high: its interval. Raw: exact binomial for the number of surviving background jets, at the given cut.
            Matched: the bootstrap's. None is an end that is open.
        bootstrap_low, bootstrap_high: interval from a bootstrap over events in which the cut is derived anew from the
            signal and the matching weights from both: it has the signal's fluctuation in it, which the binomial has
            not, and the correlation of an event's two jets.
        lower_bound: less than one background jet (of average weight) survives.
        significance_improvement: eps_S/sqrt(eps_B), or its lower bound.
        survivors: number of background jets above the cut, not weighted; a fraction where it divides tied scores.
        threshold: the cut on the score, derived from the test signal itself as in the paper.
    """

    eps_s: float
    value: float
    low: float
    high: float | None
    bootstrap_low: float
    bootstrap_high: float | None
    lower_bound: bool
    significance_improvement: float
    survivors: float
    threshold: float


@dataclass(frozen=True)
class Performance:
    """Area under the ROC curve with its bootstrap interval, and rejections at the requested signal efficiencies.

    Attributes:
        effective_background: number of unweighted background jets with the same power: all of them where nothing is
            weighted, Kish's effective sample size where the background is matched to the signal's jet pT.
    """

    auc: float
    auc_low: float
    auc_high: float
    effective_background: float
    rejections: tuple[Rejection, ...]

    def at(self, eps_s: float) -> Rejection:
        """The rejection at a signal efficiency. Raises ValueError where it was not evaluated."""
        for rejection in self.rejections:
            if abs(rejection.eps_s - eps_s) < 1e-9:
                return rejection
        known = ", ".join(f"{rejection.eps_s:g}" for rejection in self.rejections)
        raise ValueError(f"no rejection at a signal efficiency of {eps_s:g}; there are: {known}")


@dataclass(frozen=True)
class Evaluation:
    """One score on one signal: as it is, and with the background weighted to the signal's jet-pT spectrum.

    Attributes:
        raw, matched: without and with pT matching.
        n_background, n_signal: number of test jets.
        level: level of all intervals.
        replicas, seed: of the bootstrap.
    """

    raw: Performance
    matched: Performance
    n_background: int
    n_signal: int
    level: float
    replicas: int
    seed: int

    def log_rejection(self, side: Literal["raw", "matched"], eps_s: float = 0.2) -> float:
        """ln of a rejection, to choose by: where less than one background jet survives, as if one did.

        The bound that is quoted there is lower than the rejection with one survivor, and better would count as worse.
        """
        rejection = (self.raw if side == "raw" else self.matched).at(eps_s)
        return math.log(self.n_background if rejection.lower_bound else rejection.value)

    def to_json(self) -> dict[str, Any]:
        """Dictionary for json.dumps; a rejection is found as ``["matched"]["rejection"]["0.2"]["value"]``."""
        facts = asdict(self)
        for side in ("raw", "matched"):
            rejections = facts[side].pop("rejections")
            facts[side]["rejection"] = {f"{entry['eps_s']:g}": entry for entry in rejections}
        return facts

    @staticmethod
    def from_json(facts: Mapping[str, Any]) -> Evaluation:
        """What `to_json` gave."""
        sides = {}
        for side in ("raw", "matched"):
            rest = {key: value for key, value in facts[side].items() if key != "rejection"}
            rejections = tuple(Rejection(**entry) for entry in facts[side]["rejection"].values())
            sides[side] = Performance(**rest, rejections=rejections)
        return Evaluation(**{**facts, **sides})


def evaluate(
    background_scores: ArrayLike,
    signal_scores: ArrayLike,
    background_pt: ArrayLike,
    signal_pt: ArrayLike,
    background_events: ArrayLike,
    signal_events: ArrayLike,
    *,
    eps_s: Sequence[float] = (0.2, 0.1),
    seed: int,
    replicas: int = 400,
    level: float = ONE_SIGMA,
    shared: bool = False,
) -> Evaluation:
    """Evaluate a score (higher = more anomalous) on B background and S signal jets.

    Args:
        background_scores, signal_scores: (B,) and (S,).
        background_pt, signal_pt: transverse momenta of the jets in GeV, (B,) and (S,).
        background_events, signal_events: event of each jet, (B,) and (S,); jets of an event are resampled together.
        eps_s: signal efficiencies, in (0, 1].
        seed, replicas: of the bootstrap.
        level: level of the intervals.
        shared: background and signal are of the same events, as jets and views of them are.

    >>> normal = np.random.default_rng(1).normal
    >>> pt, event = np.full(4000, 200.0), np.arange(4000)
    >>> result = evaluate(normal(size=4000), normal(1.0, size=4000), pt, pt, event, event, seed=1)
    >>> at = result.matched.at(0.2)
    >>> round(result.matched.auc, 2), at.bootstrap_low < 1 / 0.0328 < at.bootstrap_high
    (0.76, True)

    Raises:
        ValueError: no jets, arrays of different lengths, a number that is not finite, an efficiency outside (0, 1].
    """
    efficiencies = np.array(eps_s, dtype=np.float64)
    ranking = Ranking(background_scores, signal_scores)
    bins = PtBins.of(background_pt, signal_pt)
    check_lengths("background", ranking.background_order, background_pt, background_events)
    check_lengths("signal", ranking.signal_order, signal_pt, signal_events)
    weights = bins.weights()
    # one row a replica: raw and matched; in each the area and the background efficiencies
    rows = []
    for background, signal in resampled(background_events, signal_events, seed=seed, replicas=replicas, shared=shared):
        curves = ranking.roc(background, signal), ranking.roc(bins.weights(background, signal), signal)
        rows.append([[curve.auc, *curve.background_efficiency(efficiencies)] for curve in curves])
    replica = np.array(rows)
    plain, ones = ranking.roc(), np.ones(len(ranking.background_order))
    counts = len(ones) * plain.background_efficiency(efficiencies)
    exact = [inverted(*clopper_pearson(count, len(ones), level)) for count in counts]

    def performance(roc: Roc, weights: Floats, replica: Floats, intervals: list[Interval] | None) -> Performance:
        low, high = percentiles(replica, level)
        rejections = []
        for at, eps in enumerate(efficiencies):
            eps_b = float(roc.background_efficiency(eps))
            value, bound = rejection_or_bound(eps_b, weights)
            nobody = high[1 + at] == 0.0  # in no replica does background survive, as happens with a few of them
            spread = (value, None) if bound or nobody else inverted(low[1 + at], high[1 + at])
            interval = spread if bound or intervals is None else intervals[at]
            rejections.append(
                Rejection(
                    eps_s=float(eps),
                    value=value,
                    low=interval[0],
                    high=interval[1],
                    bootstrap_low=spread[0],
                    bootstrap_high=spread[1],
                    lower_bound=bound,
                    significance_improvement=significance_improvement(float(eps), value),
                    survivors=float(counts[at]),
                    threshold=float(roc.threshold(eps)),
                )
            )
        return Performance(roc.auc, float(low[0]), float(high[0]), effective_size(weights), tuple(rejections))

    return Evaluation(
        raw=performance(plain, ones, replica[:, 0], exact),
        matched=performance(ranking.roc(weights), weights, replica[:, 1], None),
        n_background=len(ones),
        n_signal=len(ranking.signal_order),
        level=level,
        replicas=replicas,
        seed=seed,
    )


def rejection_or_bound(eps_b: float, weights: Floats) -> tuple[float, bool]:
    """1/eps_B; or, where less than one background jet of average weight survives, a lower bound on it, and True.

    The bound takes jets of the largest weight for those that did not survive, so it holds wherever in pT they are.

    >>> rejection_or_bound(0.01, np.ones(1000)), rejection_or_bound(0.0, np.ones(1000))
    ((100.0, False), (334.3..., True))
    """
    if not below_one_jet(eps_b, len(weights)):
        return 1.0 / eps_b, False
    worth = float(weights.sum() / weights.max())
    return 1.0 / upper_limit(eps_b * worth, worth), True


def below_one_jet(eps_b: Any, jets: Any) -> Any:
    """Whether an efficiency leaves less than one jet of average weight; 1/501 of 501 jets is one, in any arithmetic."""
    return eps_b * jets < 1.0 - 1e-9


def check_lengths(what: str, order: ArrayLike, pt: ArrayLike, events: ArrayLike) -> None:
    """Raises ValueError unless there is one pT and one event for each score."""
    finite(f"{what} pT", pt)
    sizes = len(np.asarray(order)), len(np.asarray(pt)), len(np.asarray(events))
    if len(set(sizes)) != 1:
        raise ValueError(f"{what}: {sizes[0]} scores, {sizes[1]} pT, {sizes[2]} events; expected one of each a jet")
