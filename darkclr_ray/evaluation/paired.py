"""Compare two scores on the same jets, by the ratio of their rejections and the confidence that it exceeds 1."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike

from darkclr_ray.evaluation.bootstrap import percentiles
from darkclr_ray.evaluation.rejection import below_one_jet
from darkclr_ray.evaluation.replicas import RankedJets, replicated
from darkclr_ray.evaluation.roc import Floats
from darkclr_ray.evaluation.scored import Scored


@dataclass(frozen=True)
class Ratio:
    """Ratio of the rejection of score a to that of score b.

    Attributes:
        ratio: ratio of the rejections on the test jets.
        low, high: its bootstrap interval.
        confidence: fraction of the bootstrap's replicas in which the ratio exceeds 1, ties counted one half; between
            0.5/(R + 1) and 1 - 0.5/(R + 1) for R replicas.
        bound: "lower" if less than one background jet survives the cut on a (the ratio is a lower bound), "upper" if
            this holds for b, "none" if it holds for both and the ratio is meaningless; None otherwise.
    """

    ratio: float
    low: float
    high: float
    confidence: float
    bound: str | None

    @property
    def significant(self) -> Literal[-1, 0, 1]:
        """Sign of the difference from 1 if the two-sided 95% interval of the ratio excludes 1; otherwise 0."""
        return 1 if self.confidence >= 0.975 else -1 if self.confidence <= 0.025 else 0


@dataclass(frozen=True)
class PairedRatio:
    """Comparison of two scores at signal efficiency ``eps_s``, without (raw) and with (matched) pT matching."""

    raw: Ratio
    matched: Ratio
    eps_s: float
    level: float
    replicas: int
    seed: int

    def to_json(self) -> dict[str, Any]:
        """Return a dictionary for json.dumps."""
        return asdict(self)


def paired_ratio(
    background_a: ArrayLike,
    signal_a: ArrayLike,
    background_b: ArrayLike,
    signal_b: ArrayLike,
    background_pt: ArrayLike,
    signal_pt: ArrayLike,
    background_events: ArrayLike,
    signal_events: ArrayLike,
    *,
    eps_s: float = 0.2,
    seed: int,
    replicas: int = 1000,
    level: float = 0.95,
) -> PairedRatio:
    """Return the ratio of the rejections (1/eps_B)_a / (1/eps_B)_b of two scores on the same B + S jets.

    Each replica of the bootstrap over events draws the same jets for both scores and derives cuts and matching weights
    anew, so that fluctuations common to both scores cancel in the interval. A cut that less than one background jet
    survives counts as if one jet of the largest weight did, or as the efficiency of the other score if that is smaller.
    No ratio is therefore infinite, a score without survivors never has a smaller rejection than one with some, and its
    advantage is not overestimated.

    Args:
        background_a, signal_a: scores a, higher = more anomalous, (B,) and (S,).
        background_b, signal_b: scores b of the same jets in the same order.
        background_pt, signal_pt: transverse momenta of the jets in GeV, (B,) and (S,).
        background_events, signal_events: event of each jet, (B,) and (S,).
        eps_s: signal efficiency, in (0, 1].
        seed, replicas: seed and number of replicas of the bootstrap.
        level: level of the intervals.

    >>> normal = np.random.default_rng(1).normal
    >>> b, s, pt, event = normal(size=4000), normal(1.0, size=4000), np.full(4000, 200.0), np.arange(4000)
    >>> worse = paired_ratio(b + normal(size=4000), s + normal(size=4000), b, s, pt, pt, event, event, seed=1)
    >>> worse.raw.ratio < worse.raw.high < 1.0, worse.raw.confidence < 0.01
    (True, True)

    Raises:
        ValueError: no jets, arrays of different lengths, a number that is not finite, an efficiency outside (0, 1].
    """
    both = []
    for background_scores, signal_scores in ((background_a, signal_a), (background_b, signal_b)):
        background = Scored(background_scores, background_pt, background_events, "background")
        signal = Scored(signal_scores, signal_pt, signal_events, "signal")
        both.append(RankedJets.of(background, {"signal": signal}))
    wanted = np.array([eps_s])
    observed = np.stack([jets["signal"].background_efficiencies(wanted)[:, 0] for jets in both], axis=-1)
    drawn = [replicated(jets, wanted, seed=seed, replicas=replicas)["signal"][:, :, 1] for jets in both]
    replica, jets = np.stack(drawn, axis=-1), len(background)
    heaviest = both[0]["signal"].bins.weights().max()
    raw = ratio_of(observed[0], replica[:, 0], jets, 1.0 / jets, level)
    matched = ratio_of(observed[1], replica[:, 1], jets, heaviest / jets, level)
    return PairedRatio(raw, matched, eps_s, level, replicas, seed)


def ratio_of(observed: Floats, replica: Floats, jets: Floats | int, floor: Floats | float, level: float) -> Ratio:
    """Return the ratio of rejections of a and b from their background efficiencies.

    Args:
        observed: background efficiencies on the test jets, (2,).
        replica: background efficiencies of the bootstrap's replicas, (R, 2).
        jets: number of background jets, one number or one each for a and b.
        floor: largest value that replaces an efficiency below one jet, one number or one each for a and b.
        level: level of the interval.
    """

    def quotient(eps_b: Floats) -> Floats:
        few = below_one_jet(eps_b, jets)
        other = np.where(few, floor, eps_b)[..., ::-1]
        seen = np.where(few, np.where(few[..., ::-1], floor, np.minimum(floor, other)), eps_b)
        result: Floats = seen[..., 1] / seen[..., 0]
        return result

    few = below_one_jet(observed, jets)
    ratios = quotient(replica)
    ratios = ratios[~np.isnan(ratios)]  # no event occurs in the others
    above = np.count_nonzero(ratios > 1.0) + 0.5 * np.count_nonzero(ratios == 1.0)
    low, high = percentiles(ratios, level)
    return Ratio(
        ratio=float(quotient(observed)),
        low=float(low),
        high=float(high),
        confidence=float((above + 0.5) / (len(ratios) + 1)),
        bound=bound_of(bool(few[0]), bool(few[1])),
    )


def bound_of(few_a: bool, few_b: bool) -> str | None:
    """Return which bound the ratio a / b is if less than one background jet survives a or b (see `Ratio`).

    >>> bound_of(True, False), bound_of(False, True), bound_of(True, True), bound_of(False, False)
    ('lower', 'upper', 'none', None)
    """
    return {(True, False): "lower", (False, True): "upper", (True, True): "none"}.get((few_a, few_b))
