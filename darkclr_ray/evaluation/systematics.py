"""Apply the nominal working point to a background variation, to measure the systematic uncertainty of a rejection."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from darkclr_ray.evaluation.bootstrap import percentiles, resampled
from darkclr_ray.evaluation.intervals import ONE_SIGMA
from darkclr_ray.evaluation.matching import Counts, PtBins
from darkclr_ray.evaluation.paired import Ratio, ratio_of
from darkclr_ray.evaluation.rejection import check_lengths, rejection_or_bound
from darkclr_ray.evaluation.roc import Floats, Ranking, finite


class Scored:
    """Scores of N jets of one sample.

    Args:
        scores: scores, higher = more anomalous, (N,).
        pt: transverse momenta of the jets in GeV, (N,).
        events: event of each jet, (N,).

    Raises:
        ValueError: no jets, a number that is not finite, or different lengths.
    """

    def __init__(self, scores: ArrayLike, pt: ArrayLike, events: ArrayLike) -> None:
        self.scores, self.pt, self.events = finite("scores", scores), finite("pT", pt), np.asarray(events)
        check_lengths("jets", self.scores, self.pt, self.events)

    def __len__(self) -> int:
        return len(self.scores)


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
    events = np.concatenate([nominal.events, varied.events])
    shifts = []
    for counts, _ in resampled(events, [0], seed=seed, replicas=replicas):
        ours, theirs = np.split(counts, [len(nominal)])
        if ours.any() and theirs.any():
            shifts.append(np.average(varied.scores, weights=theirs) - np.average(nominal.scores, weights=ours))
    low, high = percentiles(np.array(shifts) / spread, level)
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
    rankings = [Ranking(background.scores, signal.scores) for background in backgrounds]
    bins = [PtBins.of(background.pt, signal.pt) for background in backgrounds]

    def efficiencies(backgrounds: list[Counts], signal: Counts) -> Floats:
        """Return the efficiencies of the nominal and of the varied background, raw and matched, (2, 2)."""
        both = list(zip(rankings, bins, backgrounds, strict=True))
        curves = [
            [ranking.roc(counts, signal) for ranking, _, counts in both],
            [ranking.roc(bins.weights(counts, signal), signal) for ranking, bins, counts in both],
        ]
        return np.array([[float(curve.background_efficiency(eps_s)) for curve in row] for row in curves])

    sizes = np.array([len(background) for background in backgrounds], dtype=np.float64)
    once = [np.ones(len(background), dtype=np.int64) for background in backgrounds]
    observed = efficiencies(once, np.ones(len(signal), dtype=np.int64))
    events = np.concatenate([background.events for background in backgrounds])
    replica = []
    for counts, signals in resampled(events, signal.events, seed=seed, replicas=replicas):
        drawn = np.split(counts, [len(backgrounds[0])])
        if all(some.any() for some in drawn):
            replica.append(efficiencies(drawn, signals))

    def one_cut(side: int, weights: list[Floats]) -> WorkingPoint:
        rejections = [float(rejection_or_bound(eps_b, w)[0]) for eps_b, w in zip(observed[side], weights, strict=True)]
        floor = np.array([w.max() for w in weights]) / sizes
        ratio = ratio_of(observed[side], np.array(replica)[:, side], sizes, floor, level)
        return WorkingPoint(rejections[0], rejections[1], ratio)

    ones = [np.ones(len(background)) for background in backgrounds]
    return SignalSystematic(raw=one_cut(0, ones), matched=one_cut(1, [one.weights() for one in bins]))
