"""Apply the nominal working point to a background variation, to measure the systematic uncertainty of a rejection."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from darkclr_ray.evaluation.bootstrap import percentiles
from darkclr_ray.evaluation.intervals import ONE_SIGMA
from darkclr_ray.evaluation.paired import Ratio, ratio_of
from darkclr_ray.evaluation.rejection import rejection_or_bound
from darkclr_ray.evaluation.replicas import RankedJets, replicated, weighted_means
from darkclr_ray.evaluation.roc import Floats
from darkclr_ray.evaluation.scored import Scored


@dataclass(frozen=True)
class WorkingPoint:
    """Rejections of the nominal and of the varied background at a cut that is derived from the signal.

    Attributes:
        nominal, varied: rejections; lower bounds if less than one background jet survives.
        ratio: nominal over varied rejection, the factor by which more of the varied background survives.
    """

    nominal: float
    varied: float
    ratio: Ratio


@dataclass(frozen=True)
class SignalSystematic:
    """Working points of one signal, raw and with each background weighted to the signal's spectrum of jet pT."""

    raw: WorkingPoint
    matched: WorkingPoint


@dataclass(frozen=True)
class Systematic:
    """Effect of one background variation on one score.

    Attributes:
        n_nominal, n_varied: number of jets.
        mean_shift: mean score of the varied background minus that of the nominal one, in units of the standard
            deviation of the nominal scores.
        mean_shift_low, mean_shift_high: its interval.
        signals: working points of each signal, by name.
        eps_s: signal efficiency of the cuts.
        level, replicas, seed: of the bootstrap over events; an event in both backgrounds is drawn for both.
    """

    n_nominal: int
    n_varied: int
    mean_shift: float
    mean_shift_low: float
    mean_shift_high: float
    signals: Mapping[str, SignalSystematic]
    eps_s: float
    level: float
    replicas: int
    seed: int

    def to_json(self) -> dict[str, Any]:
        """Return a dictionary for json.dumps."""
        return asdict(self)


def systematic(
    nominal: Scored,
    varied: Scored,
    signals: Mapping[str, Scored],
    *,
    eps_s: float = 0.2,
    seed: int,
    replicas: int = 200,
    level: float = ONE_SIGMA,
) -> Systematic:
    """Compare a background variation with the nominal background, at the cuts derived from the signals.

    Args:
        nominal, varied: test jets of both backgrounds, which may come from the same events.
        signals: test jets of each signal, by name.
        eps_s: signal efficiency of the cuts, in (0, 1].
        seed, replicas: seed and number of replicas of the bootstrap.
        level: level of the intervals.

    >>> normal = np.random.default_rng(1).normal
    >>> def sample(scores): return Scored(scores, np.full(4000, 200.0), np.arange(4000))
    >>> b, s = normal(size=4000), normal(1.0, size=4000)
    >>> twice = systematic(sample(b), sample(b + 0.3), {"a": sample(s)}, seed=1)
    >>> round(twice.mean_shift, 2), twice.signals["a"].raw.ratio.low > 1.5
    (0.3, True)

    Raises:
        ValueError: all nominal jets have the same score, or an efficiency is outside (0, 1].
    """
    spread = float(np.std(nominal.scores))
    if spread == 0.0:
        raise ValueError("all background jets have the same score: a shift cannot be measured in units of its spread")
    means = [weighted_means(sample, seed=seed, replicas=replicas) for sample in (nominal, varied)]
    low, high = percentiles((means[1] - means[0]) / spread, level)
    return Systematic(
        n_nominal=len(nominal),
        n_varied=len(varied),
        mean_shift=float((varied.scores.mean() - nominal.scores.mean()) / spread),
        mean_shift_low=float(low),
        mean_shift_high=float(high),
        signals={
            name: _signal((nominal, varied), signal, eps_s, seed, replicas, level) for name, signal in signals.items()
        },
        eps_s=eps_s,
        level=level,
        replicas=replicas,
        seed=seed,
    )


def _signal(
    backgrounds: tuple[Scored, Scored], signal: Scored, eps_s: float, seed: int, replicas: int, level: float
) -> SignalSystematic:
    ranked = [RankedJets.of(background, {"signal": signal}) for background in backgrounds]
    wanted, weights = np.array([eps_s]), [jets["signal"].bins.weights() for jets in ranked]
    observed = np.stack([jets["signal"].background_efficiencies(wanted)[:, 0] for jets in ranked], axis=-1)
    drawn = [replicated(jets, wanted, seed=seed, replicas=replicas)["signal"][:, :, 1] for jets in ranked]
    replica, sizes = np.stack(drawn, axis=-1), np.array([len(background) for background in backgrounds], dtype=float)

    def one_cut(side: int, weights: list[Floats]) -> WorkingPoint:
        rejections = [float(rejection_or_bound(eps_b, w)[0]) for eps_b, w in zip(observed[side], weights, strict=True)]
        floor = np.array([w.max() for w in weights]) / sizes
        ratio = ratio_of(observed[side], replica[:, side], sizes, floor, level)
        return WorkingPoint(rejections[0], rejections[1], ratio)

    ones = [np.ones(len(background)) for background in backgrounds]
    return SignalSystematic(raw=one_cut(0, ones), matched=one_cut(1, weights))
