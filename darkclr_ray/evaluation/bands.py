"""ROC curves with bootstrap bands, for figures."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from darkclr_ray.evaluation.bootstrap import percentiles, resampled
from darkclr_ray.evaluation.intervals import ONE_SIGMA
from darkclr_ray.evaluation.matching import PtBins
from darkclr_ray.evaluation.rejection import below_one_jet, check_lengths
from darkclr_ray.evaluation.roc import Floats, Ranking, Roc


@dataclass(frozen=True, eq=False)
class Band:
    """Rejection 1/eps_B at P signal efficiencies, with its bootstrap interval.

    Attributes:
        eps_s: signal efficiencies, (P,).
        rejection: (P,); nan where less than one background jet of average weight survives.
        low, high: ends of the interval, (P,); nan where it is unbounded.
    """

    eps_s: Floats
    rejection: Floats
    low: Floats
    high: Floats


def roc_bands(
    background_scores: ArrayLike,
    signal_scores: ArrayLike,
    background_pt: ArrayLike,
    signal_pt: ArrayLike,
    background_events: ArrayLike,
    signal_events: ArrayLike,
    *,
    eps_s: ArrayLike,
    seed: int,
    replicas: int = 200,
    level: float = ONE_SIGMA,
) -> tuple[Band, Band]:
    """Return the ROC curve with its band, raw and pT-matched; arguments, errors and bootstrap are those of `evaluate`.

    >>> score, pt, event = np.arange(100.0), np.full(100, 200.0), np.arange(100)
    >>> raw, matched = roc_bands(score, score + 50, pt, pt, event, event, eps_s=[0.5, 1.0], seed=1)
    >>> raw.rejection.tolist()
    [nan, 2.0]
    """
    efficiencies = np.atleast_1d(np.asarray(eps_s, dtype=np.float64))
    ranking = Ranking(background_scores, signal_scores)
    bins = PtBins.of(background_pt, signal_pt)
    check_lengths("background", ranking.background_order, background_pt, background_events)
    check_lengths("signal", ranking.signal_order, signal_pt, signal_events)
    replica = np.array(
        [
            [ranking.roc(weights, signal).background_efficiency(efficiencies) for weights in both]
            for background, signal in resampled(background_events, signal_events, seed=seed, replicas=replicas)
            for both in [(background, bins.weights(background, signal))]
        ]
    )
    jets = len(ranking.background_order)

    def band(roc: Roc, replica: Floats) -> Band:
        eps_b = roc.background_efficiency(efficiencies)
        low, high = percentiles(replica, level)
        values = _inverse(np.where(below_one_jet(eps_b, jets), 0.0, eps_b))
        return Band(efficiencies, values, low=_inverse(high), high=_inverse(low))

    return band(ranking.roc(), replica[:, 0]), band(ranking.roc(bins.weights()), replica[:, 1])


def _inverse(eps_b: Floats) -> Floats:
    return np.divide(1.0, eps_b, out=np.full_like(eps_b, np.nan), where=eps_b > 0.0)
