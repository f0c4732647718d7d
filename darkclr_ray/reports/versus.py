"""Page that compares two or more studies of one kind: settings, best points, rejections, and ratios on common jets."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from markupsafe import Markup, escape

from darkclr_ray.detectors.display import BLUE, GREEN, ORANGE, PURPLE, SKY, VERMILLION, Style
from darkclr_ray.reports.curves import Row, by_weighting, entry_curve, pivot_table
from darkclr_ray.reports.figures.curves import Curve, against
from darkclr_ray.reports.figures.curves import rejection as axis_of_rejections
from darkclr_ray.reports.figures.scan import value_text
from darkclr_ray.reports.labels import signal_axes
from darkclr_ray.reports.measurement import confident_ratio, noted_rejection, ratio
from darkclr_ray.reports.page import Figure, Page, Section, environment, write
from darkclr_ray.reports.tables import Cell, Column, Table
from darkclr_ray.reports.text import ensemble_label, point_words
from darkclr_ray.study.ensemble import EPS_S, WEIGHTINGS, Weighting
from darkclr_ray.study.versus import Versus, read_versus

STYLES = (
    Style(BLUE),
    Style(VERMILLION, "dash", "square"),
    Style(GREEN, "dot", "diamond"),
    Style(ORANGE, "dashdot", "triangle-up"),
    Style(PURPLE, "longdash", "triangle-down"),
    Style(SKY, "longdashdot", "x"),
)
"""Styles of the studies in their order; a seventh study has that of the first."""


def build(folders: Sequence[Path], out: Path | None = None) -> Path:
    """Write a page that compares the studies in two or more folders into ``out``, and return the path of the page.

    Without ``out`` the page is written beside the first study, into a folder with the names of all.

    Raises:
        ValueError: a folder is no study with results, or the studies cannot be compared (see `read_versus`).
    """
    versus = read_versus(folders)
    return write(page(versus), environment(versus.first), out or beside(folders))


def beside(folders: Sequence[Path]) -> Path:
    """Return the folder beside the first study that has the names of all studies."""
    return folders[0].resolve().parent / "_and_".join(folder.resolve().name for folder in folders)


def page(versus: Versus) -> Page:
    """Return the page."""
    common = {"versus": versus, "standings": standings(versus)}
    head = Section("versus_head", {**common, "rejection": figure(versus)})
    parts = {
        **common,
        "studies": studies(versus),
        "settings": settings(versus),
        "rejections": rejections(versus),
        "ratios": ratios(versus),
    }
    return Page(f"Which study is ahead: {' or '.join(versus.studies)}?", head, [Section("versus", parts)])


def standings(versus: Versus) -> list[dict[str, Any]]:
    """Return how each pair of studies compares: their names, signals ahead and behind, and the common jets."""
    found = []
    for (one, other), compared in versus.ratios.items():
        ahead, behind = versus.standing(one, other)
        shared = versus.shared(one, other)
        found.append(
            {
                "one": one,
                "other": other,
                "ahead": ahead,
                "behind": behind,
                "total": len(compared),
                "background": shared.get(versus.first.background, 0),
                "lead": compared.get(versus.first.lead),
            }
        )
    return found


def figure(versus: Versus) -> Figure:
    """Return the figure of the studies' rejections against the dark sector's parameters."""
    styles = dict(zip(versus.studies, STYLES * len(versus.studies), strict=False))

    def panel(weighting: Weighting) -> list[Curve]:
        curves = []
        for name, ensemble in versus.selected.items():
            found = ensemble.entries(signals=versus.studies[name].main_signals)
            places = {signal: entry for (signal, side), entry in found.items() if side == weighting}
            curves.append(entry_curve(places, ensemble.detector, Markup(escape(name)), styles[name]))
        return curves

    samples = {
        name: sample
        for study in versus.studies.values()
        for name, sample in study.samples.items()
        if name in study.main_signals
    }
    return Figure("rejection", against(signal_axes(samples), [(axis_of_rejections(EPS_S), by_weighting(panel))]))


def studies(versus: Versus) -> Table:
    """Return a table of the studies: detector, best point, objective, trials or runs, training jets, and versions."""
    rows: list[dict[str, Cell]] = []
    for name, study in versus.studies.items():
        states = [one.state for one in study.trials or study.runs]
        last = study.about.starts[-1] if study.about.starts else None
        ensemble = versus.selected[name]
        rows.append(
            {
                "study": name,
                "detector": ensemble_label(ensemble),
                "point": point_words(study.best.parameters) if study.trials else "",
                "objective": study.best.objective if study.trials else None,
                "maximised": study.objective if study.trials else "",
                "complete": states.count("COMPLETE"),
                "others": len(states) - states.count("COMPLETE"),
                "trained": ensemble.trained_on.words,
                "version": (last.versions or {}).get("darkclr_ray", "") if last else "",
                "created": study.about.created or "",
                "best": int(name == versus.leader),
            }
        )
    headings = {
        "study": "study",
        "detector": "detector",
        "point": "best point",
        "objective": "objective",
        "maximised": "which",
        "complete": "complete",
        "others": "pruned or failed",
        "trained": "trained on",
        "version": "darkclr_ray",
        "created": "begun",
    }
    shown = [key for key in headings if any(row[key] not in ("", None) for row in rows)]
    return Table("studies", [Column(key, headings[key]) for key in shown], rows)


def settings(versus: Versus) -> Table | None:
    """Return a table of the settings that differ; None if none does."""
    rows: list[dict[str, Cell]] = [
        {"setting": key, **{name: value_text(value) for name, value in values.items()}}
        for key, values in versus.differing_settings().items()
    ]
    columns = [Column("setting", "setting"), *(Column(name, name) for name in versus.studies)]
    return Table("settings", columns, rows) if rows else None


def rejections(versus: Versus) -> Table:
    """Return a table of the rejections of each study with their intervals, by signal and weighting."""
    rows: list[Row] = []
    for name, ensemble in versus.selected.items():
        found = ensemble.entries(signals=versus.first.main_signals)
        rows.append((Markup(escape(name)), {at: noted_rejection(entry) for at, entry in found.items()}))
    names = list(versus.studies)
    return pivot_table(
        "rejections",
        versus.first,
        rows,
        heading="study",
        marked=names.index(versus.leader) if versus.leader else None,
    )


def ratios(versus: Versus) -> Table | None:
    """Return a table of paired ratios of rejections on common jets; None if there are no such jets."""
    rows: list[Row] = []
    data: list[dict[str, Cell]] = []
    for (one, other), compared in versus.ratios.items():
        cells: dict[tuple[str, Weighting], Cell] = {}
        for signal, found in compared.items():
            for weighting in WEIGHTINGS:
                half = found.raw if weighting == "raw" else found.matched
                cells[signal, weighting] = confident_ratio(half)
                facts = {"numerator": one, "denominator": other, "signal": signal, "weighting": str(weighting)}
                data.append({**facts, "ratio": ratio(half), "confidence": half.confidence})
        if cells:
            rows.append((Markup("{} over<br>{}").format(one, other), cells))
    return pivot_table("ratios", versus.first, rows, heading="ratio", data=data) if rows else None
