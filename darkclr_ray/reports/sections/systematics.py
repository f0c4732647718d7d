"""Section on scores of background from other simulations."""

from __future__ import annotations

from collections.abc import Mapping

from markupsafe import Markup

from darkclr_ray.evaluation.systematics import Systematic
from darkclr_ray.reports.labels import EPS_B, detector_label
from darkclr_ray.reports.measurement import ratio
from darkclr_ray.reports.page import Section
from darkclr_ray.reports.tables import Cell, Column, Table
from darkclr_ray.study.display import in_order, is_prominent
from darkclr_ray.study.results import StudyResults

MOST = 5
"""Largest number of detectors in the table; the CSV has all."""


def section(study: StudyResults) -> Section | None:
    """Return the section with one row per variation and two columns per detector; None without this analysis."""
    result: Mapping[str, Mapping[str, Systematic]] = study.result("systematics") or {}
    if not result:
        return None
    detectors = sorted(in_order(result), key=lambda name: not is_prominent(name))
    rows: list[dict[str, Cell]] = []
    for kind in dict.fromkeys(kind for found in result.values() for kind in found):
        row: dict[str, Cell] = {"variation": kind.replace("_", " ")}
        for detector in detectors:
            found = result[detector].get(kind)
            if found is not None:
                row[f"{detector}_shift"] = found.mean_shift
                if study.lead in found.signals:
                    row[f"{detector}_ratio"] = ratio(found.signals[study.lead].matched.ratio)
        rows.append(row)
    columns = [
        Column("variation", "variation of the background"),
        *(
            Column(f"{detector}_{key}", heading, detector_label(detector))
            for detector in detectors[:MOST]
            for key, heading in (("shift", "shift"), ("ratio", Markup("{} ratio").format(EPS_B)))
        ),
    ]
    ensembles = [study.methods[name] for name in in_order(result) if name in study.methods]
    table = Table("systematics", columns, rows, data=rows)
    return Section("systematics", {"systematics": table, "ensembles": ensembles})
