"""Section on the best points of a search with further seeds: how far the best single run was a lucky one."""

from __future__ import annotations

import math
from statistics import fmean

from markupsafe import Markup

from darkclr_ray.reports import text as words
from darkclr_ray.reports.figures.scan import value_text
from darkclr_ray.reports.page import Section
from darkclr_ray.reports.tables import Cell, Column, Table
from darkclr_ray.reports.trials import Scan


def sections(study: Scan) -> list[Section]:
    """Return the section on further seeds; none if the best points were not trained again."""
    points = [point for point in study.repeats.get("points", ()) if point["mean"] is not None]
    if not points:
        return []
    seeds = int(study.repeats["seeds"])
    top = points[0]
    mean_bias = fmean(point["objective"] - point["mean"] for point in points)
    text = Markup(
        "The search compares single runs, and the best of many is biased upwards. So the best {} points were trained "
        "again with {} further seeds each, and the mean over these seeds, which did not select the points, selects "
        "among them: trial {}. The best single run (trial {}) has an objective of {:.3f}, and its further seeds have a "
        "mean of {:.3f}{}: a bias of {:+.3f}. On average over these points it is {:+.3f}. The objective is the mean of "
        "ln of a rejection where it is one of the named ones, so that {:+.3f} is a factor of {:.2f} in the rejection. "
        "The largest of several means is still slightly biased."
    ).format(
        len(points),
        seeds,
        study.repeats["selected"],
        top["number"],
        top["objective"],
        top["mean"],
        f" ± {top['deviation'] / math.sqrt(seeds):.3f}" if top["deviation"] is not None else "",
        top["objective"] - top["mean"],
        mean_bias,
        top["objective"] - top["mean"],
        math.exp(top["objective"] - top["mean"]),
    )
    return [Section("seeds", "The best points with other seeds", [text, table(study)])]


def table(study: Scan) -> Table:
    """Return the table of the points: the objective of the search's run, and those with further seeds."""
    rows: list[dict[str, Cell]] = [
        {
            "trial": str(point["number"]),
            "point": ", ".join(f"{name} = {value_text(value, 3)}" for name, value in point["parameters"].items()),
            "objective": point["objective"],
            "mean": point["mean"],
            "deviation": point["deviation"],
            "bias": None if point["mean"] is None else point["objective"] - point["mean"],
            "best": int(point["number"] == study.repeats["selected"]),
        }
        for point in study.repeats["points"]
    ]
    columns = [
        Column("trial", "trial"),
        Column("point", "parameters"),
        Column("objective", Markup("objective,<br>in the search")),
        Column("mean", "mean", "further seeds"),
        Column("deviation", Markup("standard<br>deviation"), "further seeds"),
        Column("bias", "bias"),
    ]
    caption = Markup("The best points with further seeds; the selected one is marked. {}").format(
        words.trained_and_selected(study)
    )
    return Table("seeds", caption, columns, rows)
