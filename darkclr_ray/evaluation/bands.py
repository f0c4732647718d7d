"""ROC curves with bootstrap bands, for figures."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from darkclr_ray.evaluation.bootstrap import percentiles
from darkclr_ray.evaluation.intervals import ONE_SIGMA
from darkclr_ray.evaluation.rejection import below_one_jet
from darkclr_ray.evaluation.replicas import RankedJets, replicated
from darkclr_ray.evaluation.roc import Floats, Roc
from darkclr_ray.evaluation.scored import Scored


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
    background = Scored(background_scores, background_pt, background_events, "background")
    signal = Scored(signal_scores, signal_pt, signal_events, "signal")
    ranked = RankedJets.of(background, {"signal": signal})
    jets = ranked["signal"]
    replica = replicated(ranked, efficiencies, seed=seed, replicas=replicas)["signal"][:, :, 1:]

    def band(roc: Roc, replica: Floats) -> Band:
        low, high = percentiles(replica, level)
        values = _rejections(roc, efficiencies, len(background))
        return Band(efficiencies, values, low=_inverse(high), high=_inverse(low))

    return band(jets.ranking.roc(), replica[:, 0]), band(jets.ranking.roc(jets.bins.weights()), replica[:, 1])


def roc_lines(
    background_scores: ArrayLike,
    signal_scores: ArrayLike,
    background_pt: ArrayLike,
    signal_pt: ArrayLike,
    background_events: ArrayLike,
    signal_events: ArrayLike,
    *,
    eps_s: ArrayLike,
) -> tuple[Floats, Floats]:
    """Return the rejections (P,) of `roc_bands` alone, raw and pT-matched, which takes no bootstrap."""
    efficiencies = np.atleast_1d(np.asarray(eps_s, dtype=np.float64))
    background = Scored(background_scores, background_pt, background_events, "background")
    signal = Scored(signal_scores, signal_pt, signal_events, "signal")
    jets = RankedJets.of(background, {"signal": signal})["signal"]
    rocs = jets.ranking.roc(), jets.ranking.roc(jets.bins.weights())
    raw, matched = (_rejections(roc, efficiencies, len(background)) for roc in rocs)
    return raw, matched


def _rejections(roc: Roc, efficiencies: Floats, background: int) -> Floats:
    """Return the rejections; nan where less than one background jet of average weight survives."""
    eps_b = roc.background_efficiency(efficiencies)
    return _inverse(np.where(below_one_jet(eps_b, background), 0.0, eps_b))


def _inverse(eps_b: Floats) -> Floats:
    return np.divide(1.0, eps_b, out=np.full_like(eps_b, np.nan), where=eps_b > 0.0)
