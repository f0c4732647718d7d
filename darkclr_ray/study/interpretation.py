"""Interpret a detector on test jets: pictures of representations, the most and least anomalous jets, and occlusion."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from darkclr_ray.detectors.base import AnomalyDetector
from darkclr_ray.evaluation.collapse import effective_rank
from darkclr_ray.evaluation.occlusion import Score, branches, occlusion
from darkclr_ray.evaluation.pca import principal_components
from darkclr_ray.evaluation.scales import ScoreScale, central_spread
from darkclr_ray.jets.packed import Jets
from darkclr_ray.study.records import Interpretation, JetRecord, LayerRecord, OcclusionRecord, Projection
from darkclr_ray.training.inference import JetEncoder, Layer, represent

Scores = Mapping[str, NDArray[np.float64]]

LAYERS: tuple[Layer, ...] = ("pooled", "head")
FITTED = 2000
"""Largest number of background jets that principal components and effective ranks are computed from."""
PICTURED = 250
"""Largest number of jets of a sample in a picture of representations."""
EXTREMES = 12
"""Number of the most, and of the least, anomalous jets that are kept."""
CONSTITUENTS = 100
"""Largest number of constituents of a jet that are kept, the hardest ones."""
BRANCH_SIZE = 0.1
"""Angular size Delta R of the branches that are removed from a jet."""


def interpret(
    detector: AnomalyDetector[object],
    encoder: JetEncoder | None,
    samples: Mapping[str, Jets],
    scores: Scores,
    *,
    background: str,
    seed: int,
) -> Interpretation:
    """Return pictures of an encoder's representations, and examples of what a detector's score depends on.

    Args:
        detector: fitted detector.
        encoder: trained encoder of the representations; None for none.
        samples: test jets by name, background and signals.
        scores: the detector's scores of all of them.
        background: name of the background.
        seed: seed of the subsamples.
    """
    scale = ScoreScale.of([scores[background]])
    spread = central_spread(scale(scores[background]))

    def score(jets: Jets) -> NDArray[np.float64]:
        return scale(detector.score(jets)) / spread

    return Interpretation(
        detector=detector.name,
        jets={name: len(jets) for name, jets in samples.items()},
        log=scale.log,
        layers={} if encoder is None else pictured(encoder, samples, background, seed),
        **extremes(samples, scores, background),
        occlusions=[occluded(score, *example) for example in examples(samples, scores, background)],
    )


def pictured(encoder: JetEncoder, samples: Mapping[str, Jets], background: str, seed: int) -> dict[str, LayerRecord]:
    """Return each layer's effective rank and principal components on background, and projections of all samples."""
    fitted = samples[background].at_most(FITTED, seed=seed)
    signals = {name: jets[:PICTURED] for name, jets in samples.items() if name != background}
    chosen = Jets.concatenate([fitted, *signals.values()])
    names = np.repeat([background, *signals], [len(fitted), *map(len, signals.values())])
    found: dict[str, LayerRecord] = {}
    for layer in LAYERS:
        z = represent(encoder.encoder, encoder.inputs, chosen, layer)
        own = z[: len(fitted)]
        components = principal_components(own)
        places = components.project(z)
        found[layer] = LayerRecord(
            dimension=z.shape[1],
            effective_rank=effective_rank(own),
            fitted=len(own),
            shares=rounded(components.shares),
            samples={name: projection(places[names == name]) for name in (background, *signals)},
        )
    return found


def projection(places: NDArray[np.float64]) -> Projection:
    """Return the record of the first `PICTURED` of B places (B, 2)."""
    return Projection(x=rounded(places[:PICTURED, 0]), y=rounded(places[:PICTURED, 1]))


def extremes(samples: Mapping[str, Jets], scores: Scores, background: str) -> dict[str, list[JetRecord]]:
    """Return the `EXTREMES` most and least anomalous jets of all samples together, the most extreme one first."""
    names = [name for name, jets in samples.items() for _ in range(len(jets))]
    rows = np.concatenate([np.arange(len(jets)) for jets in samples.values()])
    order = np.argsort(np.concatenate([scores[name] for name in samples]), kind="stable")

    def kept(places: NDArray[np.int64]) -> list[JetRecord]:
        return [jet_record(samples, scores, names[at], int(rows[at]), background) for at in places]

    return {"most": kept(order[::-1][:EXTREMES]), "least": kept(order[:EXTREMES])}


def examples(samples: Mapping[str, Jets], scores: Scores, background: str) -> list[tuple[Jets, JetRecord]]:
    """Return the jets of median and of 99% quantile score of the background and of the first signal.

    Jets with fewer than three constituents are left out, of which hardly anything can be removed.
    """
    found = []
    for name in [background, *(sample for sample in samples if sample != background)][:2]:
        rows = np.flatnonzero(samples[name].multiplicity > 2)
        order = rows[np.argsort(scores[name][rows], kind="stable")]
        for quantile in (0.5, 0.99) if len(order) else ():
            row = int(order[min(int(quantile * len(order)), len(order) - 1)])
            found.append((samples[name].take(np.array([row])), jet_record(samples, scores, name, row, background)))
    return found


def occluded(score: Score, jet: Jets, record: JetRecord) -> OcclusionRecord:
    """Return the changes of a score if one constituent, or one branch, of a jet is removed."""
    parts = branches(jet, BRANCH_SIZE)
    several = parts.max() > 0
    single = occlusion(score, jet, np.arange(len(parts)))
    changes = occlusion(score, jet, parts)[parts] if several else np.zeros(0)
    return OcclusionRecord(
        jet=record,
        size=BRANCH_SIZE,
        constituents=rounded(single[:CONSTITUENTS]),
        branches=parts[:CONSTITUENTS].tolist(),
        branch_changes=rounded(changes[:CONSTITUENTS]),
    )


def jet_record(samples: Mapping[str, Jets], scores: Scores, name: str, row: int, background: str) -> JetRecord:
    """Return the record of the jet in one row of a sample."""
    jet, score = samples[name].take(np.array([row])), scores[name][row]
    return JetRecord(
        sample=name,
        jet_id=int(jet.ids[0]),
        pt=float(jet.pt[0]),
        mass=float(jet.mass[0]),
        multiplicity=len(jet.constituents),
        score=float(score),
        background_above=float(np.mean(scores[background] > score)),
        constituents=[rounded(row) for row in jet.constituents[:CONSTITUENTS]],
    )


def rounded(values: NDArray[np.floating]) -> list[float]:
    """Return values (N,) with four significant digits, which is enough for a figure and keeps records small."""
    return [float(f"{value:.4g}") for value in values]
