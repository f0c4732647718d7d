"""Section on the scores of test jets: their distributions, representations, extreme jets, and what a score looks at."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from darkclr_ray.detectors.display import GREY, Style
from darkclr_ray.reports import styles as theme
from darkclr_ray.reports.figures.jets import panels
from darkclr_ray.reports.figures.occlusion import largest_change, occlusions
from darkclr_ray.reports.figures.representations import representations
from darkclr_ray.reports.figures.scores import Sample, histogram_menu, histograms, score_maps
from darkclr_ray.reports.labels import P_T, signal_label
from darkclr_ray.reports.page import Figure, Section
from darkclr_ray.reports.sections.head import prominent
from darkclr_ray.reports.tables import Cell
from darkclr_ray.reports.text import ensemble_label
from darkclr_ray.study.ensemble import Ensemble
from darkclr_ray.study.labels import background_label
from darkclr_ray.study.records import Interpretation, JetRecord
from darkclr_ray.study.results import StudyResults
from darkclr_ray.study.score_statistics import ScoreHistograms, score_histograms, score_map

PANELS = 6
"""Largest number of detectors whose histograms stand side by side; a menu has the others."""
MAPPED = 3
"""Largest number of detectors whose scores are shown against observables."""
DISPLAYED = 6
"""Number of event displays side by side."""

OBSERVABLES = {"pt": f"jet {P_T} [GeV]", "mass": "jet mass [GeV]", "multiplicity": "number of constituents"}
LAYERS = {"pooled": "sum over constituents, before the head", "head": "representation z, after the head"}


def section(study: StudyResults) -> Section | None:
    """Return the section; None if the study has no scores of the detectors to show."""
    histogrammed = {one.detector: score_histograms(study, one) for one in study.methods.values()}
    scored = {name: found for name, found in histogrammed.items() if found is not None}
    first = [one for one in _selected_first(study) if one.detector in scored]
    if not first:
        return None
    samples, shown = _samples(study), first[:PANELS]
    others = [one for one in study.methods.values() if one.detector in scored and one not in shown]
    parts: dict[str, Any] = {
        "histograms": Figure("score_histograms", histograms(_panels(shown, scored), samples), _rows(scored)),
        "others": Figure("score_menu", histogram_menu(_panels(others, scored), samples)) if others else None,
        "maps": _maps(study, first[:MAPPED], samples),
        "logarithms": any(one.scale.log for one in scored.values()),
    }
    return Section("jets_and_scores", {**parts, **_interpretation(study, samples)})


def _selected_first(study: StudyResults) -> list[Ensemble]:
    """Return the detectors that figures show, the selected one first."""
    return sorted(prominent(study), key=lambda one: one != study.selected)


def _samples(study: StudyResults) -> dict[str, Sample]:
    styles = theme.signal_styles(study.main_signals)
    signals = {name: Sample(str(signal_label(name, study.samples[name])), styles[name]) for name in study.main_signals}
    return {study.background: Sample(background_label(study.background), Style(GREY)), **signals}


def _panels(shown: Iterable[Ensemble], found: Mapping[str, ScoreHistograms]) -> dict[str, ScoreHistograms]:
    return {str(ensemble_label(one)): found[one.detector] for one in shown}


def _rows(found: Mapping[str, ScoreHistograms]) -> list[dict[str, Cell]]:
    return [
        {"detector": detector, "sample": sample, "low": low, "high": high, "share": share, "error": error}
        for detector, histograms in found.items()
        for sample, one in histograms.samples.items()
        for low, high, share, error in zip(
            *(histograms.scale.inverse(ends).tolist() for ends in (one.edges[:-1], one.edges[1:])),
            one.share.tolist(),
            one.error.tolist(),
            strict=True,
        )
    ]


def _maps(study: StudyResults, shown: Sequence[Ensemble], samples: Mapping[str, Sample]) -> Figure:
    found = {
        str(ensemble_label(one)): {
            name: values for name in OBSERVABLES if (values := score_map(study, one, name)) is not None
        }
        for one in shown
    }
    return Figure("score_maps", score_maps(found, OBSERVABLES, samples))


def _interpretation(study: StudyResults, samples: Mapping[str, Sample]) -> dict[str, Any]:
    """Return the figures that need the networks, from the study's record; None for each that it does not have."""
    recorded: Mapping[str, Interpretation] = study.result("interpretation") or {}
    own = recorded.get(study.selected.detector) if study.selected is not None else None
    layers = next((one.layers for one in recorded.values() if one.layers), {})
    titles = {
        f"{LAYERS[name]}:<br>{layer.dimension} dimensions, effective rank {layer.effective_rank:.2f}": layer
        for name, layer in layers.items()
    }
    return {
        "own": own,
        "layers": layers,
        "representations": Figure("representations", representations(titles, samples)) if layers else None,
        "most": _displays("jets_most", own.most, samples) if own is not None and own.most else None,
        "least": _displays("jets_least", own.least, samples) if own is not None and own.least else None,
        "occlusion": _occlusion(own, samples, background_label(study.background))
        if own is not None and own.occlusions
        else None,
    }


def _displays(name: str, jets: Sequence[JetRecord], samples: Mapping[str, Sample]) -> Figure:
    shown = {
        f"{at}: {_label(jet, samples)}<br>{_facts(jet)}": _constituents(jet) for at, jet in enumerate(jets, start=1)
    }
    rows: list[dict[str, Cell]] = [
        {"place": at, **jet.model_dump(exclude={"constituents"})} for at, jet in enumerate(jets, start=1)
    ]
    return Figure(name, panels(shown, columns=DISPLAYED, title_size=12), rows)


def _occlusion(own: Interpretation, samples: Mapping[str, Sample], background: str) -> Figure:
    shown = []
    for one in own.occlusions:
        lines = f"{_label(one.jet, samples)}, {_facts(one.jet)}", _place(one.jet, background)
        shown.append(("<br>".join((*lines, f"largest change {largest_change(one):.2g}")), one))
    rows: list[dict[str, Cell]] = [
        {
            "sample": one.jet.sample,
            "jet_id": one.jet.jet_id,
            "pt": pt,
            "eta": eta,
            "phi": phi,
            "change": change,
            "branch": branch,
            "branch_change": one.branch_changes[at] if one.branch_changes else None,
        }
        for one in own.occlusions
        for at, ((pt, eta, phi), change, branch) in enumerate(
            zip(one.jet.constituents, one.constituents, one.branches, strict=True)
        )
    ]
    return Figure("occlusion", occlusions(shown), rows)


def _label(jet: JetRecord, samples: Mapping[str, Sample]) -> str:
    return samples[jet.sample].label if jet.sample in samples else str(signal_label(jet.sample))


def _facts(jet: JetRecord) -> str:
    """Return the transverse momentum of a jet and its number of constituents, as text."""
    return f"{jet.pt:.0f} GeV, n = {jet.multiplicity}"


def _place(jet: JetRecord, background: str) -> str:
    """Return the fraction of the background that is more anomalous than a jet, as text."""
    return f"{jet.background_above:.1%} of {background} above"


def _constituents(jet: JetRecord) -> NDArray[np.float32]:
    return np.array(jet.constituents, dtype=np.float32)
