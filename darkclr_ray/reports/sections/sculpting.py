"""Section on sculpting: the change of the background's spectra of jet mass and pT under cuts on a score."""

from __future__ import annotations

from collections.abc import Mapping

from markupsafe import Markup

from darkclr_ray.evaluation.sculpting import Sculpting
from darkclr_ray.reports.figures.spectra import spectra
from darkclr_ray.reports.labels import EPS_B, P_T, detector_label
from darkclr_ray.reports.page import Figure, Section
from darkclr_ray.reports.tables import Cell, Column, Table
from darkclr_ray.study.display import in_order, is_prominent
from darkclr_ray.study.results import StudyResults

OBSERVABLES = {"mass": Markup("jet mass [GeV]"), "pt": Markup("jet {} [GeV]").format(P_T)}
MOST = 4
"""Largest number of detectors whose spectra are drawn; the table has all."""

Result = Mapping[str, Mapping[str, list[Sculpting]]]


def section(study: StudyResults) -> Section | None:
    """Return the section with spectra of some detectors and divergences of all; None without such an analysis."""
    result: Result = study.result("sculpting") or {}
    if not result:
        return None
    ordered = in_order(result)
    drawn = sorted(ordered, key=lambda name: not is_prominent(name))[:MOST]
    panels = {str(detector_label(name)): result[name] for name in drawn}
    figure = spectra(panels, {key: str(title) for key, title in OBSERVABLES.items()})
    parts = {"spectra": Figure("spectra", figure, _bins(result)), "sculpting": _table(result, ordered)}
    return Section(
        "sculpting", {**parts, "ensembles": [study.methods[name] for name in ordered if name in study.methods]}
    )


def _bins(result: Result) -> list[dict[str, Cell]]:
    """Return the rows of the CSV, with one bin of a spectrum per row."""
    return [
        {"detector": name, "observable": key, "eps_b": cut.eps_b, "low": low, "high": high, "before": n, "after": m}
        for name, observables in result.items()
        for key, cuts in observables.items()
        for cut in cuts
        for low, high, n, m in zip(cut.edges[:-1], cut.edges[1:], cut.before, cut.after, strict=True)
    ]


def _table(result: Result, ordered: list[str]) -> Table:
    """Return a table of divergences by detector, each with the 95% quantile for random cuts of the same size."""
    rows: list[dict[str, Cell]] = []
    columns = {"detector": Column("detector", "")}
    for name in ordered:
        row: dict[str, Cell] = {"detector": detector_label(name)}
        for key, title in OBSERVABLES.items():
            for cut in result[name].get(key) or ():
                group = Markup("{}, {} = {:g}").format(title, EPS_B, cut.eps_b)
                for fact, number, heading in (
                    ("divergence", cut.divergence, "divergence"),
                    ("floor_95", cut.floor_95, "random cut, 95%"),
                ):
                    column = f"{key}_{cut.eps_b:g}_{fact}_mbit"
                    row[column] = 1000 * number
                    columns[column] = Column(column, heading, group)
        rows.append(row)
    return Table("sculpting", list(columns.values()), rows)
