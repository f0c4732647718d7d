"""Section on every detector and signal: the paper's Tables 2 and 3 as a figure and tables, and paired comparisons."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from markupsafe import Markup

from darkclr_ray.evaluation import published
from darkclr_ray.evaluation.aggregate import Entry
from darkclr_ray.reports.curves import Row, as_rows, pivot_table
from darkclr_ray.reports.figures.curves import rejection
from darkclr_ray.reports.figures.dots import Dots, dots
from darkclr_ray.reports.labels import EPS_B, WEIGHTING_LABELS, detector_label, signal_label
from darkclr_ray.reports.measurement import (
    PAPER,
    PAPER_AREA,
    Measurement,
    confident_ratio,
    noted_area,
    noted_rejection,
    printed,
    ratio,
    significance,
)
from darkclr_ray.reports.measurement import rejection as measured
from darkclr_ray.reports.page import Figure, Section
from darkclr_ray.reports.styles import styles_of
from darkclr_ray.reports.tables import Cell, Column, Table
from darkclr_ray.reports.text import ensemble_label
from darkclr_ray.settings import StudySettings
from darkclr_ray.study.ensemble import EPS_S, WEIGHTINGS, Ensemble, Weighting
from darkclr_ray.study.results import BENCHMARK, StudyResults

REDUCIBLE = ("image_nae", "dirichlet_vae", "inn", "kmeans", "wnae")
"""Groups of settings of the methods beside DarkCLR, which a preset may reduce."""
TIGHT = 0.1
"""Signal efficiency of a second table of rejections."""


def section(study: StudyResults) -> Section | None:
    """Return the section with the figure and the tables; None if detectors are not compared."""
    if not study.methods:
        return None
    data = as_rows(study, study.methods.values(), (EPS_S, TIGHT))
    parts = {
        "figure_of_all": _figure(study),
        "rejections": _table(study, "rejections", noted_rejection, paper=PAPER, sizes=True, data=data),
        "ratios": _ratios(study),
        "areas": _table(study, "areas", noted_area, paper={"paper": {BENCHMARK: PAPER_AREA}}),
        "tight": _table(study, "rejections_tight", noted_rejection, TIGHT),
        "significances": _table(study, "significance", significance),
        "published": _published(study) if BENCHMARK in study.main_signals else None,
        "footnotes": (published.DVAE_SOURCE, reduced(study.settings)),
    }
    return Section("detectors", {"ensembles": list(study.methods.values()), **parts})


def _figure(study: StudyResults) -> Figure:
    rows: dict[str, dict[str, Dots]] = {}
    for ensemble in study.methods.values():
        found = ensemble.entries(signals=study.main_signals)
        rows[str(ensemble_label(ensemble))] = {
            str(WEIGHTING_LABELS[weighting]): {
                signal: (measured(entry), entry.deviation)
                for (signal, side), entry in found.items()
                if side == weighting
            }
            for weighting in WEIGHTINGS[::-1]
        }
    known = styles_of(study)
    styles = {str(ensemble_label(ensemble)): known[name] for name, ensemble in study.methods.items()}
    signals = {name: str(signal_label(name, study.samples[name])) for name in study.main_signals}
    data = as_rows(study, study.methods.values())
    return Figure("detectors_rejection", dots(rows, styles, signals, rejection(EPS_S)), data)


def _table(
    study: StudyResults,
    name: str,
    number: Callable[[Entry], Measurement],
    eps_s: float = EPS_S,
    *,
    paper: Mapping[str, Mapping[str, Measurement]] | None = None,
    sizes: bool = False,
    data: Sequence[Mapping[str, Cell]] = (),
) -> Table:
    """Return a table with one row per detector, the selected one highlighted.

    ``paper`` are rows with published numbers, which are not matched in pT; ``sizes`` adds a row with the effective
    number of background jets.
    """
    selected = study.selected
    assert selected is not None
    rows: list[Row] = []
    for ensemble in study.methods.values():
        found = ensemble.entries(eps_s, study.main_signals)
        rows.append((_label(ensemble), {at: number(entry) for at, entry in found.items()}))
    for method, numbers in (paper or {}).items():
        cells: dict[tuple[str, Weighting], Cell] = {
            (signal, "raw"): value for signal, value in numbers.items() if signal in study.main_signals
        }
        rows += [(detector_label(method), cells)] if cells else []
    if sizes:
        first = {signal: selected.evaluations[signal][0] for signal in study.main_signals}
        numbers_of = {
            (signal, weighting): round(side.effective_background)
            for signal, one in first.items()
            for weighting, side in (("raw", one.raw), ("matched", one.matched))
        }
        rows.append(("effective background jets", numbers_of))  # type: ignore[arg-type]
    marked = list(study.methods).index(selected.detector)
    return pivot_table(name, study, rows, marked=marked, data=data)


def _label(ensemble: Ensemble) -> Markup:
    """Return the label of a detector with its number of networks."""
    count, label = len(ensemble.runs), ensemble_label(ensemble)
    return Markup('{} <span class="note">×{}</span>').format(label, count) if count > 1 else label


def _ratios(study: StudyResults) -> Table | None:
    """Return a table of ratios of rejections, with the confidence that each exceeds 1; None without comparisons."""
    pairs = [pair for pair in study.pairs if pair.signal in study.main_signals]
    if not pairs:
        return None
    several = len({pair.a for pair in pairs}) > 1
    labels = {name: detector_label(name) for pair in pairs for name in (pair.a, pair.b)}
    labels |= {name: ensemble_label(ensemble) for name, ensemble in study.methods.items()}
    rows: dict[tuple[str, str], dict[tuple[str, Weighting], Cell]] = {}
    data: list[dict[str, Cell]] = []
    for pair in pairs:
        for weighting in WEIGHTINGS:
            half = pair.raw if weighting == "raw" else pair.matched
            rows.setdefault((pair.a, pair.b), {})[pair.signal, weighting] = confident_ratio(half)
            facts = {"numerator": pair.a, "denominator": pair.b, "signal": pair.signal, "weighting": weighting}
            data.append({**facts, "ratio": ratio(half), "confidence": half.confidence})
    named: list[Row] = [
        (Markup("{} over<br>{}").format(labels[a], labels[b]) if several else labels[b], cells)
        for (a, b), cells in rows.items()
    ]
    return pivot_table("ratios", study, named, heading="" if several else "over", data=data)


def _published(study: StudyResults) -> Table:
    """Return a table of areas and rejections on the Aachen benchmark beside the published ones of the same methods."""
    rows: list[dict[str, Cell]] = []
    methods = {detector: name for name, detectors in published.METHODS.items() for detector in detectors}
    for detector, ensemble in study.methods.items():
        row: dict[str, Cell] = {"method": ensemble_label(ensemble), "best": int(ensemble == study.selected)}
        row |= {"labels": "yes" if ensemble.labels else "no"}
        for (_, weighting), entry in ensemble.entries(signals=[BENCHMARK]).items():
            row |= {f"auc_{weighting}": noted_area(entry), f"rejection_{weighting}": noted_rejection(entry)}
        rows.append(row | (_printed_row(methods[detector]) if detector in methods else {}))
    ours = {methods.get(detector) for detector in study.methods}
    rows += [{"method": name, "labels": "no", **_printed_row(name)} for name in published.METHODS if name not in ours]
    areas = (("auc", "AUC"), ("rejection", Markup("1/{}").format(EPS_B)))
    columns = [
        Column("method", "method"),
        Column("labels", "labels"),
        *(
            Column(f"{key}_{weighting}", heading, WEIGHTING_LABELS[weighting])
            for weighting in WEIGHTINGS
            for key, heading in areas
        ),
        *(Column(f"{key}_published", heading, "published") for key, heading in areas),
        Column("source", "source", "published"),
    ]
    return Table("published", columns, rows)


def _printed_row(name: str) -> dict[str, Cell]:
    """Return the cells with the published numbers of a method of Table 2 and their source."""
    cut = published.AACHEN_REJECTION[name]
    numbers = {"auc_published": printed(published.AACHEN_AUC[name]), "rejection_published": printed(cut)}
    return {**numbers, "source": cut.reference}


def reduced(settings: StudySettings) -> str:
    """Return a sentence on the settings in which methods beside DarkCLR are smaller than published."""
    defaults = StudySettings()
    parts = []
    for group in REDUCIBLE:
        before, after = (getattr(one, group).model_dump(mode="json") for one in (defaults, settings))
        changes = _changes(before, after)
        if changes:
            parts.append(f"{group}: {', '.join(changes)}")
    return f"Reduced forms (in brackets the full size): {'; '.join(parts)}." if parts else ""


def _changes(before: Mapping[str, Any], after: Mapping[str, Any], prefix: str = "") -> list[str]:
    found = []
    for name, value in after.items():
        if isinstance(value, dict):
            found += _changes(before[name], value, f"{prefix}{name}.")
        elif value != before[name]:
            found.append(f"{prefix}{name} {value} ({before[name]})")
    return found
