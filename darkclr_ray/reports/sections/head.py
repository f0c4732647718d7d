"""First screen of a page: the result in a few sentences, and the figure of rejections against the dark sector."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from darkclr_ray.reports.curves import as_rows, by_weighting, entry_curve
from darkclr_ray.reports.figures.curves import Curve, against, rejection
from darkclr_ray.reports.labels import signal_axes
from darkclr_ray.reports.measurement import PAPER, Measurement
from darkclr_ray.reports.measurement import rejection as measured
from darkclr_ray.reports.page import Figure, Section
from darkclr_ray.reports.sections import dimensions
from darkclr_ray.reports.text import ensemble_label
from darkclr_ray.study.display import is_prominent
from darkclr_ray.study.ensemble import EPS_S, Ensemble, Weighting
from darkclr_ray.study.results import Standing, StudyResults

COMPARED = ("multiplicity", "supervised", "JetCLR s_NAE")
"""Detectors with which the text compares the selected one, if they were compared."""

QUESTIONS = {
    "method_comparison": "Comparison of methods: how well are dark showers found without labels?",
    "robustness": "Robustness: does one training hold when the dark sector changes?",
    "linear_classifier_test": "Linear classifier test: which representation separates signal from background?",
}
"""Titles of comparisons: the question that the first sentence of the page answers."""


def title(study: StudyResults) -> str:
    """Return the title of a study's page: the question of a comparison, or the name of a scan."""
    return QUESTIONS.get(study.about.kind, study.about.name)


def section(study: StudyResults) -> Section:
    """Return the first screen."""
    if study.selected is None:
        return Section("head", {"key": dimensions.key_figure(study), "areas": _best_areas(study)})
    found = study.selected.entries(signals=study.main_signals)
    rejections = {signal: measured(found[signal, "matched"]) for signal in study.main_signals}
    compared = standings(study)
    named = [study.selected, *(study.methods[one.other] for one in compared if one.other in study.methods)]
    parts: dict[str, Any] = {
        "selected": study.selected,
        "lead": found[study.lead, "matched"],
        "rejections": rejections,
        "others": [value for signal, value in rejections.items() if signal != study.lead],
        "standings": compared,
        "several": any(len(one.runs) > 1 for one in named),
        "paper": PAPER["paper"],
        "reached": _reached(study),
        "extremes": _extremes(study),
    }
    return Section("head", {"key": key_figure(study), "prominent": prominent(study), **parts})


def standings(study: StudyResults) -> list[Standing]:
    """Return how the selected detector stands against those that the text names."""
    selected = study.selected
    assert selected is not None
    known = dict.fromkeys(pair.b for pair in study.pairs if pair.a == selected.detector)
    if study.trials:
        names: Sequence[str] = (f"untrained {selected.detector}", "multiplicity")
        return [study.standing(name) for name in names if name in known]
    named = [name for name in COMPARED if name in known] or list(known)
    return [study.standing(name) for name in named[:3]]


def prominent(study: StudyResults) -> list[Ensemble]:
    """Return the ensembles that a figure shows if it cannot show all; users' own detectors are among them."""
    selected = study.selected.detector if study.selected is not None else ""
    return [
        ensemble
        for name, ensemble in study.methods.items()
        if is_prominent(name) or name in (selected, f"untrained {selected}")
    ]


def key_figure(study: StudyResults) -> Figure:
    """Return the figure of rejections against the dark sector's parameters, with the paper's numbers."""
    shown = prominent(study)

    def panel(weighting: Weighting) -> list[Curve]:
        curves = []
        for one in shown:
            found = one.entries(signals=study.main_signals)
            places = {signal: entry for (signal, side), entry in found.items() if side == weighting}
            curves.append(entry_curve(places, one.detector, ensemble_label(one)))
        return curves + ([_published(name) for name in PAPER] if weighting == "raw" else [])

    samples = {name: study.samples[name] for name in study.main_signals}
    figure = against(signal_axes(samples), [(rejection(EPS_S), by_weighting(panel))], bands=not study.trials)
    return Figure("rejection", figure, as_rows(study, shown))


def _published(name: str) -> Curve:
    numbers = PAPER[name]
    values = {signal: Measurement(one.value) for signal, one in numbers.items()}
    return Curve(name, values, {signal: one.up for signal, one in numbers.items()})


def _reached(study: StudyResults) -> dict[str, Measurement]:
    """Return the raw rejections of the paper's score on the signals that the paper has."""
    ensemble = study.methods.get("s_NAE")
    if ensemble is None:
        return {}
    found = ensemble.entries(signals=study.main_signals)
    return {name: measured(found[name, "raw"]) for name in study.main_signals if name in PAPER["paper"]}


def _extremes(study: StudyResults) -> list[tuple[Ensemble, Measurement]]:
    """Return the detectors without labels that have the smallest and the largest matched rejection of the lead."""
    found = [
        (one, measured(one.entries(signals=[study.lead])[study.lead, "matched"]))
        for one in study.methods.values()
        if not one.labels
    ]
    ordered = sorted(found, key=lambda pair: pair[1].value)
    return [ordered[0], ordered[-1]] if len(ordered) > 1 else []


def _best_areas(study: StudyResults) -> list[tuple[str, str, tuple[float, float]]]:
    """Return the best matched area, with the raw one, of linear classifiers by features and encoder."""
    best: dict[tuple[str, str], tuple[float, float]] = {}
    for ensemble in study.ensembles("linear"):
        kind = ensemble_label(ensemble), str(ensemble.parameters.get("encoder"))
        found = ensemble.entries(signals=[study.lead])
        areas = found[study.lead, "matched"].auc, found[study.lead, "raw"].auc
        best[kind] = max(best.get(kind, areas), areas)
    return [(*kind, areas) for kind, areas in sorted(best.items(), key=lambda one: one[1], reverse=True)]
