"""Sections on scores of slightly perturbed jets (stability), and on other background simulations (systematics)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from markupsafe import Markup, escape

from darkclr_ray.reports import styles as theme
from darkclr_ray.reports.comparison import ratio_value
from darkclr_ray.reports.comparison_text import ending
from darkclr_ray.reports.labels import EPS_B, EPS_S, detector_label
from darkclr_ray.reports.page import Section
from darkclr_ray.reports.runs import Comparison
from darkclr_ray.reports.tables import Cell, Column, Table

Result = Mapping[str, Mapping[str, Mapping[str, Any]]]
"""Mapping from detector and perturbation or variation to facts."""

MOST = 5
"""Largest number of detectors in a table of the page's width; the CSV has all."""


def sections(study: Comparison) -> list[Section]:
    """Return a section for each of the two analyses that the study contains."""
    found = []
    stability: Result = study.result("stability") or {}
    if stability:
        found.append(Section("stability", "Scores of jets that were disturbed", [_stability(study, stability)]))
    systematics: Result = study.result("systematics") or {}
    if systematics:
        found.append(Section("systematics", "Other simulations of the background", [_systematics(study, systematics)]))
    return found


def _stability(study: Comparison, result: Result) -> Table:
    rows: list[dict[str, Cell]] = []
    kinds = list(dict.fromkeys(kind for found in result.values() for kind in found))
    for detector in theme.in_order(result):
        row: dict[str, Cell] = {"detector": _label(study, detector)}
        for kind, facts in result[detector].items():
            row[f"{kind}_shift"] = facts["background"]["rms"]
            ratio = (facts.get("signals") or {}).get(study.lead, {}).get("ratio")
            if ratio:
                row[f"{kind}_ratio"] = ratio_value(ratio["matched"])[0]
        rows.append(row)
    columns = [
        Column("detector", ""),
        *(
            Column(f"{kind}_{key}", heading, _words(kind))
            for kind in kinds
            for key, heading in (("shift", "shift"), ("ratio", "ratio"))
        ),
    ]
    caption = Markup(
        "Test jets scored again after a small change. “Shift”: root mean square of the change of background scores, in "
        "units of their spread. “Ratio”: rejection of {} after over before at {} = 0.2, matched, threshold derived "
        "anew, with its 95% interval. {} {}"
    ).format(study.label(study.lead), EPS_S, _said(study, "stability"), _ending(study, result))
    return Table("stability", caption, columns, rows)


def _systematics(study: Comparison, result: Result) -> Table:
    rows: list[dict[str, Cell]] = []
    detectors = sorted(theme.in_order(result), key=lambda name: name not in theme.PROMINENT)
    for kind in dict.fromkeys(kind for found in result.values() for kind in found):
        row: dict[str, Cell] = {"variation": _words(kind)}
        for detector in detectors:
            facts = result[detector].get(kind)
            if facts:
                row[f"{detector}_shift"] = facts["mean_shift"]
                here = (facts.get("signals") or {}).get(study.lead)
                if here:
                    row[f"{detector}_ratio"] = ratio_value(here["matched"]["ratio"])[0]
        rows.append(row)
    columns = [
        Column("variation", "variation of the background"),
        *(
            Column(f"{detector}_{key}", heading, _label(study, detector))
            for detector in detectors[:MOST]
            for key, heading in (("shift", "shift"), ("ratio", Markup("{} ratio").format(EPS_B)))
        ),
    ]
    caption = Markup(
        "Background simulated otherwise, scored by the same networks. “Shift”: change of the mean score in units of "
        "the nominal spread. “{} ratio”: share of background above the cut that keeps {} = 0.2 of {}, varied over "
        "nominal, matched, with its 68% interval: how wrong an estimate from simulation could be. {} {}"
    ).format(EPS_B, EPS_S, study.label(study.lead), _said(study, "systematics"), _ending(study, result))
    return Table("systematics", caption, columns, rows, data=[{**row} for row in rows])


def _label(study: Comparison, detector: str) -> Markup:
    return study.methods[detector].label if detector in study.methods else detector_label(detector)


def _words(kind: str) -> Markup:
    return escape(kind.replace("_", " "))


def _said(study: Comparison, section: str) -> str:
    return str(study.sections[section].get("words") or "")


def _ending(study: Comparison, result: Result) -> Markup:
    return ending(study, [study.methods[name] for name in theme.in_order(result) if name in study.methods])
