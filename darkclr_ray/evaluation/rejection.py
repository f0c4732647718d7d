"""Evaluate one score on one signal: area under the ROC curve and rejections with intervals, raw and pT-matched."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike

from darkclr_ray.evaluation.bootstrap import percentiles
from darkclr_ray.evaluation.intervals import ONE_SIGMA, Interval, clopper_pearson, inverted, upper_limit
from darkclr_ray.evaluation.matching import effective_size
from darkclr_ray.evaluation.replicas import RankedJets, replicated
from darkclr_ray.evaluation.roc import Floats, Roc, significance_improvement
from darkclr_ray.evaluation.scored import Scored


@dataclass(frozen=True)
class Rejection:
    """Background rejection 1/eps_B at one signal efficiency; the paper quotes it at eps_S = 0.2 (Table 2).

    Attributes:
        eps_s: signal efficiency of the cut.
        value: the rejection; if ``lower_bound``, a lower bound at a confidence level of 95%.
        low, high: its interval. Raw: exact binomial for the number of surviving background jets, at the given cut.
            Matched: that of the bootstrap. An end of None is unbounded.
        bootstrap_low, bootstrap_high: interval from a bootstrap over events in which the cut is derived anew from the
            signal and the matching weights from both. Unlike the binomial interval, it includes the fluctuation of the
            signal and the correlation of an event's two jets.
        lower_bound: whether less than one background jet (of average weight) survives.
        significance_improvement: eps_S/sqrt(eps_B), or its lower bound.
        survivors: unweighted number of background jets above the cut; not an integer if the cut divides tied scores.
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
        effective_background: number of unweighted background jets with the same power: all of them without weights,
            Kish's effective sample size if the background is matched to the signal's jet pT.
    """

    auc: float
    auc_low: float
    auc_high: float
    effective_background: float
    rejections: tuple[Rejection, ...]

    def at(self, eps_s: float) -> Rejection:
        """Return the rejection at a signal efficiency. Raises ValueError if it was not evaluated."""
        for rejection in self.rejections:
            if abs(rejection.eps_s - eps_s) < 1e-9:
                return rejection
        known = ", ".join(f"{rejection.eps_s:g}" for rejection in self.rejections)
        raise ValueError(f"no rejection at a signal efficiency of {eps_s:g}; there are: {known}")


@dataclass(frozen=True)
class Evaluation:
    """Performance of one score on one signal, without and with background weighted to the signal's jet-pT spectrum.

    Attributes:
        raw, matched: performance without and with pT matching.
        n_background, n_signal: number of test jets.
        level: level of all intervals.
        replicas, seed: number of replicas and seed of the bootstrap.
    """

    raw: Performance
    matched: Performance
    n_background: int
    n_signal: int
    level: float
    replicas: int
    seed: int

    def log_rejection(self, side: Literal["raw", "matched"], eps_s: float = 0.2) -> float:
        """Return ln of a rejection as an objective; less than one surviving background jet counts as one.

        The quoted lower bound is not used, because it is smaller than the rejection with one survivor, so that a better
        detector would be ranked lower.
        """
        rejection = (self.raw if side == "raw" else self.matched).at(eps_s)
        return math.log(self.n_background if rejection.lower_bound else rejection.value)

    def to_json(self) -> dict[str, Any]:
        """Return a dictionary for json.dumps; a rejection is at ``["matched"]["rejection"]["0.2"]["value"]``."""
        facts = asdict(self)
        for side in ("raw", "matched"):
            rejections = facts[side].pop("rejections")
            facts[side]["rejection"] = {f"{entry['eps_s']:g}": entry for entry in rejections}
        return facts

    @staticmethod
    def from_json(facts: Mapping[str, Any]) -> Evaluation:
        """Return the evaluation that `to_json` returned."""
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
        background_scores, signal_scores: scores of the jets, (B,) and (S,).
        background_pt, signal_pt: transverse momenta of the jets in GeV, (B,) and (S,).
        background_events, signal_events: event of each jet, (B,) and (S,); jets of an event are resampled together.
        eps_s: signal efficiencies, in (0, 1].
        seed, replicas: seed and number of replicas of the bootstrap.
        level: level of the intervals.
        shared: whether background and signal come from the same events, as jets and views of them do.

    >>> normal = np.random.default_rng(1).normal
    >>> pt, event = np.full(4000, 200.0), np.arange(4000)
    >>> result = evaluate(normal(size=4000), normal(1.0, size=4000), pt, pt, event, event, seed=1)
    >>> at = result.matched.at(0.2)
    >>> round(result.matched.auc, 2), at.bootstrap_low < 1 / 0.0328 < at.bootstrap_high
    (0.76, True)

    Raises:
        ValueError: no jets, arrays of different lengths, a number that is not finite, an efficiency outside (0, 1].
    """
    background = Scored(background_scores, background_pt, background_events, "background")
    signal = Scored(signal_scores, signal_pt, signal_events, "signal")
    found = evaluate_signals(
        background, {"signal": signal}, eps_s=eps_s, seed=seed, replicas=replicas, level=level, shared=shared
    )
    return found["signal"]


def evaluate_signals(
    background: Scored,
    signals: Mapping[str, Scored],
    *,
    eps_s: Sequence[float] = (0.2, 0.1),
    seed: int,
    replicas: int = 400,
    level: float = ONE_SIGMA,
    shared: bool = False,
) -> dict[str, Evaluation]:
    """Return the evaluation of a score on each signal, as `evaluate` does for one; background is sorted and drawn once.

    Raises:
        ValueError: an efficiency outside (0, 1], less than one replica, or so few events that no replica has any.
    """
    efficiencies = np.array(eps_s, dtype=np.float64)
    ranked = RankedJets.of(background, signals)
    replica = replicated(ranked, efficiencies, seed=seed, replicas=replicas, shared=shared)
    return {
        name: Evaluation(
            *_performances(jets, efficiencies, replica[name], level),
            n_background=len(background),
            n_signal=len(jets.signal),
            level=level,
            replicas=replicas,
            seed=seed,
        )
        for name, jets in ranked.items()
    }


def _performances(
    jets: RankedJets, efficiencies: Floats, replica: Floats, level: float
) -> tuple[Performance, Performance]:
    """Return the performance without and with pT matching, given the replicas' (R, 2, 1 + E)."""
    ranking, weights = jets.ranking, jets.bins.weights()
    plain, ones = ranking.roc(), np.ones(len(jets.background))
    counts = len(ones) * plain.background_efficiency(efficiencies)
    exact = [inverted(*clopper_pearson(count, len(ones), level)) for count in counts]
    spread = percentiles(replica, level)

    def performance(roc: Roc, weights: Floats, side: int, intervals: list[Interval] | None) -> Performance:
        low, high = spread[:, side]
        rejections = []
        for at, eps in enumerate(efficiencies):
            eps_b = float(roc.background_efficiency(eps))
            value, bound = rejection_or_bound(eps_b, weights)
            none_survive = high[1 + at] == 0.0  # no background survives in any replica, as can happen with few replicas
            ends = (value, None) if bound or none_survive else inverted(low[1 + at], high[1 + at])
            interval = ends if bound or intervals is None else intervals[at]
            rejections.append(
                Rejection(
                    eps_s=float(eps),
                    value=value,
                    low=interval[0],
                    high=interval[1],
                    bootstrap_low=ends[0],
                    bootstrap_high=ends[1],
                    lower_bound=bound,
                    significance_improvement=significance_improvement(float(eps), value),
                    survivors=float(counts[at]),
                    threshold=float(roc.threshold(eps)),
                )
            )
        return Performance(roc.auc, float(low[0]), float(high[0]), effective_size(weights), tuple(rejections))

    return performance(plain, ones, 0, exact), performance(ranking.roc(weights), weights, 1, None)


def rejection_or_bound(eps_b: float, weights: Floats) -> tuple[float, bool]:
    """Return (1/eps_B, False) or, if less than one background jet of average weight survives, (lower bound, True).

    The bound is computed with jets of the largest weight, so that it holds whatever their pT.

    >>> rejection_or_bound(0.01, np.ones(1000)), rejection_or_bound(0.0, np.ones(1000))
    ((100.0, False), (334.3..., True))
    """
    if not below_one_jet(eps_b, len(weights)):
        return 1.0 / eps_b, False
    worth = float(weights.sum() / weights.max())
    return 1.0 / upper_limit(eps_b * worth, worth), True


def below_one_jet(eps_b: Any, jets: Any) -> Any:
    """Return whether an efficiency leaves less than one jet of average weight; 1/501 of 501 jets is not less."""
    return eps_b * jets < 1.0 - 1e-9
