"""Section with maps of detectors' rejections, and of their ratios, over invisible fraction and meson mass."""

from __future__ import annotations

import math
from collections.abc import Mapping

from darkclr_ray.jets.generation.samples import NAMED, DarkShower
from darkclr_ray.reports.curves import as_rows
from darkclr_ray.reports.figures.maps import Point, Scale, maps
from darkclr_ray.reports.labels import EPS_B, EPS_S, R_INV, WEIGHTING_LABELS, signal_label
from darkclr_ray.reports.page import Figure, Section
from darkclr_ray.reports.tables import Cell
from darkclr_ray.reports.text import ensemble_label
from darkclr_ray.study import ensemble as of_study
from darkclr_ray.study.ensemble import WEIGHTINGS, Ensemble
from darkclr_ray.study.records import SampleRecord
from darkclr_ray.study.results import StudyResults

FEWEST = 4
"""Smallest number of signals for which a grid is shown as a map."""

MARKS: Mapping[str, Point] = {
    str(signal_label(name, SampleRecord(r_inv=sample.r_inv, pion_mass=sample.pion_mass))): (
        sample.r_inv,
        sample.pion_mass,
    )
    for name, sample in NAMED.items()
    if isinstance(sample, DarkShower)
}
"""The paper's signals, which the maps mark."""


def section(study: StudyResults) -> Section | None:
    """Return the section with the maps; None if the study has no grid.

    The maps show the rejections of all detectors, the ratios of the selected detector and of the paper's score to a
    supervised detector, and r_inv around selected jets.
    """
    points = study.grid()
    if len(points) < FEWEST or study.selected is None:
        return None
    supervised = next((one for one in study.methods.values() if one.labels), None)
    parts = {
        "rejections": _rejections(study, points),
        "ratios": _ratios(study, points, supervised) if supervised is not None else None,
        "invisible": _invisible(study, points),
    }
    return Section("plane", {**parts, "supervised": supervised, "ensembles": list(study.methods.values())})


def _rejections(study: StudyResults, points: Mapping[str, Point]) -> Figure:
    panels = {
        str(ensemble_label(one)): {
            points[signal]: entry.rejection
            for (signal, weighting), entry in one.entries(signals=list(points)).items()
            if weighting == "matched"
        }
        for one in study.methods.values()
    }
    scale = Scale(f"1/{EPS_B} at {EPS_S} = {of_study.EPS_S:g}", "Cividis")
    return Figure("plane_rejection", maps(panels, scale, MARKS), as_rows(study, study.methods.values()))


def _ratios(study: StudyResults, points: Mapping[str, Point], supervised: Ensemble) -> Figure:
    assert study.selected is not None
    panels: dict[str, dict[Point, float]] = {}
    data: list[dict[str, Cell]] = []
    for name in dict.fromkeys([study.selected.detector, "s_NAE"]):
        if name not in study.methods:
            continue
        found = study.rejection_ratios(study.methods[name], supervised)
        for weighting in WEIGHTINGS[::-1]:
            cells = {points[signal]: found[signal, weighting] for signal in points if (signal, weighting) in found}
            panels[f"{ensemble_label(study.methods[name])},<br>{WEIGHTING_LABELS[weighting]}"] = cells
            facts = {"numerator": name, "denominator": supervised.detector, "weighting": weighting}
            data += [{**facts, "r_inv": r, "pion_mass_gev": m, "ratio": ratio} for (r, m), ratio in cells.items()]
    return Figure("plane_ratio", maps(panels, Scale("ratio", "PuOr", middle=1.0), MARKS), data)


def _invisible(study: StudyResults, points: Mapping[str, Point]) -> Figure | None:
    fractions = {point: study.samples[name].invisible_fraction_selected for name, point in points.items()}
    known = {point: fraction for point, fraction in fractions.items() if fraction is not None}
    if not any(math.isfinite(number) for number in known.values()):
        return None
    data: list[dict[str, Cell]] = [
        {"r_inv": r, "pion_mass_gev": mass, "r_inv_selected": number} for (r, mass), number in known.items()
    ]
    panels = {
        f"{R_INV} after selection": known,
        "over the nominal one": {(r, mass): number / r for (r, mass), number in known.items() if r > 0},
    }
    return Figure("plane_selected", maps(panels, Scale("share", "Cividis", log=False), MARKS), data)
