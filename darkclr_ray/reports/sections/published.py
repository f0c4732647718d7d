"""Table that compares the study's detectors with published methods on the Aachen benchmark: the paper's Table 2."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from markupsafe import Markup

from darkclr_ray.evaluation import published
from darkclr_ray.reports import ensembles
from darkclr_ray.reports.comparison import WEIGHTINGS, printed
from darkclr_ray.reports.comparison_text import ending
from darkclr_ray.reports.labels import EPS_S, WEIGHTING_LABELS
from darkclr_ray.reports.measurement import Measurement
from darkclr_ray.reports.runs import Comparison
from darkclr_ray.reports.tables import Cell, Column, Table
from darkclr_ray.settings import StudySettings

BENCHMARK = "aachen"
REDUCIBLE = ("image_nae", "dirichlet_vae", "inn", "kmeans", "wnae")
"""Groups of settings of detectors that a preset may reduce."""


def table(study: Comparison, eps_s: float) -> list[Table]:
    """Return the table of areas and rejections on the Aachen benchmark, first of the study and then published ones.

    The list is empty if the benchmark is not a main signal of the study.
    """
    if BENCHMARK not in study.main_signals:
        return []
    rows: list[dict[str, Cell]] = []
    champion = study.selected
    methods = {detector: name for name, detectors in published.METHODS.items() for detector in detectors}
    for detector, ensemble in study.methods.items():
        row: dict[str, Cell] = {"method": ensemble.label, "best": int(ensemble == champion)}
        row["labels"] = "yes" if ensemble.labels else "no"
        for (_, weighting), entry in ensembles.entries(ensemble, eps_s, [BENCHMARK]).items():
            row[f"auc_{weighting}"] = ensembles.noted(Measurement(entry.auc), entry.auc_deviation)
            row[f"rejection_{weighting}"] = ensembles.noted(ensembles.rejection(entry), entry.deviation)
        rows.append(row | (printed_row(methods[detector]) if detector in methods else {}))
    ours = {methods.get(detector) for detector in study.methods}
    rows += [{"method": name, "labels": "no", **printed_row(name)} for name in published.METHODS if name not in ours]
    columns = [
        Column("method", "method"),
        Column("labels", "labels"),
        *(
            Column(f"{key}_{weighting}", heading, WEIGHTING_LABELS[weighting])
            for weighting in WEIGHTINGS
            for key, heading in (("auc", "AUC"), ("rejection", Markup("1/ε<sub>B</sub>")))
        ),
        Column("auc_published", "AUC", "published"),
        Column("rejection_published", Markup("1/ε<sub>B</sub>"), "published"),
        Column("source", "source", "published"),
    ]
    caption = Markup(
        "The Aachen benchmark at {} = {:g}: the detectors of this study on its jets, beside the published numbers of "
        "the methods that they implement (the paper’s Table 2), which are on other jets and not matched. {} {} {}"
    ).format(EPS_S, eps_s, published.DVAE_SOURCE, reduced(study), ending(study, study.methods.values()))
    return [Table("published", caption, columns, rows)]


def printed_row(name: str) -> dict[str, Cell]:
    """Return the cells with the published numbers of a method of Table 2 and their source."""
    rejection = published.AACHEN_REJECTION[name]
    numbers = {"auc_published": printed(published.AACHEN_AUC[name]), "rejection_published": printed(rejection)}
    return {**numbers, "source": rejection.reference}


def reduced(study: Comparison) -> str:
    """Return a sentence on the settings in which the methods of Table 2 and others differ from the published ones."""
    defaults = StudySettings()
    parts = []
    for group in REDUCIBLE:
        before = getattr(defaults, group).model_dump(mode="json")
        changes = _changes(before, study.settings.get(group) or {})
        if changes:
            parts.append(f"{group}: {', '.join(changes)}")
    if not parts:
        return "All methods have their full size."
    return f"Reduced forms (in brackets the full size): {'; '.join(parts)}."


def _changes(before: Mapping[str, Any], after: Mapping[str, Any], prefix: str = "") -> list[str]:
    found = []
    for name, value in after.items():
        if isinstance(value, Mapping):
            found += _changes(before[name], value, f"{prefix}{name}.")
        elif name in before and value != before[name]:
            found.append(f"{prefix}{name} {value} ({before[name]})")
    return found
