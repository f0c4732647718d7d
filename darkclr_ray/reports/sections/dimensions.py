"""Sections on the embedding dimension: detectors (Fig. 5), and linear classifiers on representations (Fig. 6)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import groupby

from markupsafe import Markup

from darkclr_ray.evaluation.aggregate import Entry
from darkclr_ray.reports import styles as theme
from darkclr_ray.reports.curves import as_rows, by_weighting, entry_curve
from darkclr_ray.reports.figures.curves import AUC, Curve, against, rejection
from darkclr_ray.reports.labels import D_Z, WEIGHTING_LABELS, Axis
from darkclr_ray.reports.measurement import Measurement, noted, noted_rejection
from darkclr_ray.reports.measurement import rejection as measured
from darkclr_ray.reports.page import Figure, Section
from darkclr_ray.reports.tables import Cell, Column, Table
from darkclr_ray.reports.text import ensemble_label
from darkclr_ray.study.ensemble import EPS_S, Ensemble, Weighting
from darkclr_ray.study.results import StudyResults

DIMENSIONS, LINEAR = "dimensions", "linear"
"""Names of the analyses, of their sections and of their figures."""

_DASHES = {"untrained": "dot", "JetCLR": "dashdot"}


def section(study: StudyResults) -> Section | None:
    """Return the section on detectors against the embedding dimension; None if the study has no such runs."""
    return _section(study, DIMENSIONS, shown=not study.methods and not study.ensembles(LINEAR))


def linear_section(study: StudyResults) -> Section | None:
    """Return the section on linear classifiers; None if the study has none."""
    return _section(study, LINEAR, shown=not study.methods)


def key_figure(study: StudyResults) -> Figure:
    """Return the first figure of a page without detectors."""
    name = LINEAR if study.ensembles(LINEAR) else DIMENSIONS
    return _figure(study, name, _ordered(study, name))


def _section(study: StudyResults, name: str, *, shown: bool) -> Section | None:
    """Return a section; without its figure if the first screen has ``shown`` it."""
    found = _ordered(study, name)
    if not found:
        return None
    figure = None if shown else _figure(study, name, found)
    return Section(name, {"figure_of_all": figure, "numbers": _table(study, name, found), "ensembles": found})


def _ordered(study: StudyResults, name: str) -> list[Ensemble]:
    """Return the ensembles of an analysis, grouped by curve and ordered by dimension."""
    found = study.ensembles(name)
    known = {name: at for at, name in enumerate(dict.fromkeys(one.detector for one in found))}
    return sorted(found, key=lambda one: (known[one.detector], _encoder(one), _place(one)))


def _table(study: StudyResults, name: str, found: Sequence[Ensemble]) -> Table:
    """Return the numbers of the figure as a table."""
    rows: list[dict[str, Cell]] = []
    for one in found:
        no_encoder = one.parameters.get("encoder") == "none"
        row: dict[str, Cell] = {"what": _name(one), "d_z": "" if no_encoder else str(one.parameters["d_z"])}
        row["dimension"] = str(one.parameters.get("dimension") or "")
        for (_, weighting), entry in one.entries(signals=[study.lead]).items():
            row[f"rejection_{weighting}"] = noted_rejection(entry)
            row[f"auc_{weighting}"] = noted(Measurement(entry.auc), entry.auc_deviation)
        rows.append(row)
    columns = [
        Column("what", ""),
        Column("d_z", D_Z),
        *([Column("dimension", "features")] if name == LINEAR else []),
        *(
            Column(f"{key}_{weighting}", heading, label)
            for weighting, label in WEIGHTING_LABELS.items()
            for key, heading in (("rejection", "rejection"), ("auc", "AUC"))
        ),
    ]
    return Table(f"{name}_numbers", columns, rows)


def _figure(study: StudyResults, name: str, found: Sequence[Ensemble]) -> Figure:
    places = sorted({_place(one) for one in found})
    title = Markup("embedding dimension {}").format(D_Z)
    axis = Axis(title, {str(at): float(at) for at in places}, log=True)
    rows = [
        (rejection(EPS_S), by_weighting(lambda weighting: _curves(study, found, weighting, area=False))),
        (AUC, by_weighting(lambda weighting: _curves(study, found, weighting, area=True))),
    ]
    return Figure(name, against([axis], rows, bands=True, height=620), as_rows(study, found))


def _curves(study: StudyResults, found: Sequence[Ensemble], weighting: Weighting, *, area: bool) -> list[Curve]:
    """Return a curve for each detector and encoder."""
    styles, result = theme.styles_of(study), []
    for (detector, encoder), members in groupby(found, key=lambda one: (one.detector, _encoder(one))):
        ensembles = list(members)
        entries = {
            str(_place(one)): one.entries(signals=[study.lead]).get((study.lead, weighting)) for one in ensembles
        }
        known = {place: entry for place, entry in entries.items() if entry is not None}
        style = styles[detector]
        if encoder:
            style = replace(style, dash=_DASHES.get(encoder, "longdashdot"), symbol=f"{style.symbol}-open")
        if known:
            quantity = _area if area else _rejection
            result.append(entry_curve(known, detector, _name(ensembles[-1]), style, quantity=quantity))
    return result


def _rejection(entry: Entry) -> tuple[Measurement, float | None]:
    return measured(entry), entry.deviation


def _area(entry: Entry) -> tuple[Measurement, float | None]:
    return Measurement(entry.auc), entry.auc_deviation


def _name(ensemble: Ensemble) -> Markup:
    """Return the label of a detector or of a linear classifier's features, with the encoder if it is not DarkCLR's."""
    encoder, label = _encoder(ensemble), ensemble_label(ensemble)
    return Markup("{}, {}").format(label, encoder) if encoder else label


def _place(ensemble: Ensemble) -> int:
    """Return the position of an ensemble on the axis: the dimension of its encoder, or its number of features."""
    return int(ensemble.parameters["dimension" if ensemble.parameters.get("encoder") == "none" else "d_z"])


def _encoder(ensemble: Ensemble) -> str:
    """Return the encoder of a linear classifier; empty if it is DarkCLR's or there is none."""
    encoder = str(ensemble.parameters.get("encoder") or "")
    return "" if encoder in ("DarkCLR", "none") else encoder
