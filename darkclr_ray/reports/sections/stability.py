"""Section on the scores of slightly perturbed jets."""

from __future__ import annotations

from collections.abc import Mapping

from darkclr_ray.evaluation.stability import Stability
from darkclr_ray.reports.labels import detector_label
from darkclr_ray.reports.measurement import ratio
from darkclr_ray.reports.page import Section
from darkclr_ray.reports.tables import Cell, Column, Table
from darkclr_ray.study.display import in_order
from darkclr_ray.study.results import StudyResults


def section(study: StudyResults) -> Section | None:
    """Return the section with one row per detector and two columns per perturbation; None without this analysis."""
    result: Mapping[str, Mapping[str, Stability]] = study.result("stability") or {}
    if not result:
        return None
    rows: list[dict[str, Cell]] = []
    for detector in in_order(result):
        row: dict[str, Cell] = {"detector": detector_label(detector)}
        for kind, found in result[detector].items():
            row[f"{kind}_shift"] = found.background.rms
            if study.lead in found.signals:
                row[f"{kind}_ratio"] = ratio(found.signals[study.lead].ratio.matched)
        rows.append(row)
    columns = [
        Column(f"{kind}_{key}", key, kind.replace("_", " "))
        for kind in dict.fromkeys(kind for found in result.values() for kind in found)
        for key in ("shift", "ratio")
    ]
    ensembles = [study.methods[name] for name in in_order(result) if name in study.methods]
    table = Table("stability", [Column("detector", ""), *columns], rows)
    return Section("stability", {"stability": table, "ensembles": ensembles})
