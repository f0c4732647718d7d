"""Section on sculpting: the change of the background's spectra of jet mass and pT under cuts on a score."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from markupsafe import Markup

from darkclr_ray.reports import styles as theme
from darkclr_ray.reports.comparison_text import ending
from darkclr_ray.reports.figures.spectra import spectra
from darkclr_ray.reports.labels import EPS_B, P_T, detector_label
from darkclr_ray.reports.page import Figure, Section
from darkclr_ray.reports.runs import Comparison
from darkclr_ray.reports.tables import Cell, Column, Table

OBSERVABLES = {"mass": Markup("jet mass [GeV]"), "pt": Markup("jet {} [GeV]").format(P_T)}
MOST = 4
"""Largest number of detectors whose spectra are drawn; the table has all."""


def section(study: Comparison) -> list[Section]:
    """Return the section with spectra of some detectors and divergences of all; empty without such an analysis."""
    result: Mapping[str, Mapping[str, list[Mapping[str, Any]]]] = study.result("sculpting") or {}
    if not result:
        return []
    labels = {name: study.methods[name].label if name in study.methods else detector_label(name) for name in result}
    ordered = theme.in_order(result)
    drawn = sorted(ordered, key=lambda name: name not in theme.PROMINENT)[:MOST]
    end = ending(study, [study.methods[name] for name in ordered if name in study.methods])
    caption = Markup(
        "Background jets of the test split before and after cuts on the score that keep a share {} of them. A score "
        "that is blind to an observable leaves its spectrum as it is. {}"
    ).format(EPS_B, end)
    figure = spectra(
        {str(labels[name]): result[name] for name in drawn}, {key: str(title) for key, title in OBSERVABLES.items()}
    )
    table = _table({labels[name]: result[name] for name in ordered})
    return [
        Section(
            "sculpting", "What cuts do to the background", [Figure("spectra", figure, caption, _bins(result)), table]
        )
    ]


def _bins(result: Mapping[str, Mapping[str, list[Mapping[str, Any]]]]) -> list[dict[str, Cell]]:
    """Return the rows of the CSV, with one bin of a spectrum per row."""
    return [
        {"detector": name, "observable": key, "eps_b": cut["eps_b"], "low": low, "high": high, "before": n, "after": m}
        for name, observables in result.items()
        for key, cuts in observables.items()
        for cut in cuts
        for low, high, n, m in zip(cut["edges"][:-1], cut["edges"][1:], cut["before"], cut["after"], strict=True)
    ]


def _table(found: Mapping[Markup, Mapping[str, list[Mapping[str, Any]]]]) -> Table:
    """Return a table of divergences by detector, each with the 95% quantile for random cuts of the same size."""
    rows: list[dict[str, Cell]] = []
    columns: dict[str, Column] = {"detector": Column("detector", "")}
    for label, observables in found.items():
        row: dict[str, Cell] = {"detector": label}
        for key, title in OBSERVABLES.items():
            for cut in observables.get(key) or ():
                group = Markup("{}, {} = {:g}").format(title, EPS_B, cut["eps_b"])
                for fact, heading in (("divergence", "divergence"), ("floor_95", "random cut, 95%")):
                    name = f"{key}_{cut['eps_b']:g}_{fact}_mbit"
                    row[name] = 1000 * cut[fact]
                    columns[name] = Column(name, heading, group)
        rows.append(row)
    caption = Markup(
        "Jensen–Shannon divergence in thousandths of a bit between background before and after the cut (0: alike, "
        "1,000: disjoint), and what 95% of random cuts that keep as many jets stay below."
    )
    return Table("sculpting", caption, list(columns.values()), rows)
