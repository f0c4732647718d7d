"""Distributions of a detector's scores on test jets, and their dependence on observables of the jets."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from darkclr_ray.evaluation.histograms import Histogram, Profile, common_edges, histogram, profile
from darkclr_ray.evaluation.scales import ScoreScale
from darkclr_ray.study.ensemble import Ensemble
from darkclr_ray.study.results import StudyResults

BINS = 36
"""Number of bins of a score's histogram."""
TAIL = 0.002
"""Largest share of the jets of a sample beyond each end of the histogram of a score."""
CELLS = 20
"""Number of bins of each axis of a two-dimensional histogram."""
PROFILED = 8
"""Number of bins of an observable in which means of a score are taken."""
OUTER = 0.005
"""Largest share of the jets of a sample beyond each end of an axis of a two-dimensional histogram."""


@dataclass(frozen=True, eq=False)
class ScoreHistograms:
    """Histograms of the scores of each sample, background first, in common bins on the scale of the score."""

    scale: ScoreScale
    samples: Mapping[str, Histogram]


@dataclass(frozen=True, eq=False)
class ScoreMap:
    """Scores against one observable of the jets.

    Attributes:
        scale: scale of the score, on which edges and means are given.
        x, y: edges of the bins of the observable and of the score, (CELLS + 1,) at most.
        counts: number of background jets, (len(y) - 1, len(x) - 1).
        profiles: mean of each sample's scores in bins of the observable, background first.
    """

    scale: ScoreScale
    x: NDArray[np.float64]
    y: NDArray[np.float64]
    counts: NDArray[np.int64]
    profiles: Mapping[str, Profile]


def score_samples(study: StudyResults, ensemble: Ensemble) -> dict[str, NDArray[np.float64]] | None:
    """Return the first network's scores of the background and of each main signal; None if a jet has none."""
    scores = study.scores(ensemble)
    if scores is None:
        return None
    rows = {name: study.jets.of(name) for name in (study.background, *study.main_signals)}
    return {name: scores[places] for name, places in rows.items() if len(places)}


def score_histograms(study: StudyResults, ensemble: Ensemble) -> ScoreHistograms | None:
    """Return the histograms of the scores of the background and of each main signal; None without scores."""
    samples = score_samples(study, ensemble)
    if samples is None:
        return None
    scale = ScoreScale.of([samples[study.background]])
    values = {name: scale(scores) for name, scores in samples.items()}
    edges = common_edges(values.values(), BINS, TAIL)
    return ScoreHistograms(scale, {name: histogram(scores, edges) for name, scores in values.items()})


def score_map(study: StudyResults, ensemble: Ensemble, observable: str) -> ScoreMap | None:
    """Return the scores against "pt", "mass" (GeV) or "multiplicity" of the jets; None without scores."""
    samples = score_samples(study, ensemble)
    if samples is None:
        return None
    scale = ScoreScale.of([samples[study.background]])
    values = {name: scale(scores) for name, scores in samples.items()}
    column = getattr(study.jets, observable)
    places = {name: column[study.jets.of(name)] for name in samples}
    x, y = common_edges(places.values(), CELLS, OUTER), common_edges(values.values(), CELLS, OUTER)
    wide = common_edges(places.values(), PROFILED, OUTER)
    counts, _, _ = np.histogram2d(places[study.background], values[study.background], (x, y))
    profiles = {name: profile(places[name], scores, wide) for name, scores in values.items()}
    return ScoreMap(scale, x, y, counts.T.astype(np.int64), profiles)
