"""Section on the best points of a search with further seeds: how far the best single run was biased upwards."""

from __future__ import annotations

import math
from statistics import fmean

from markupsafe import Markup

from darkclr_ray.reports.page import Section
from darkclr_ray.reports.tables import Cell, Column, Table
from darkclr_ray.reports.text import point_words
from darkclr_ray.study.results import StudyResults


def section(study: StudyResults) -> Section | None:
    """Return the section on further seeds; None if the best points were not trained again."""
    points = [] if study.repeats is None else study.repeats.points
    biases = [point.objective - point.mean for point in points if point.mean is not None]
    if study.repeats is None or not biases or points[0].mean is None:
        return None
    top, seeds = points[0], study.repeats.seeds
    error = None if top.deviation is None else top.deviation / math.sqrt(seeds)
    parts = {"top": top, "seeds": seeds, "error": error, "bias": biases[0], "mean_bias": fmean(biases)}
    return Section("repeats", {**parts, "selected": study.repeats.selected, "points": table(study)})


def table(study: StudyResults) -> Table:
    """Return the table of the points: the objective of the search's run, and those with further seeds."""
    assert study.repeats is not None
    rows: list[dict[str, Cell]] = [
        {
            "trial": str(point.number),
            "point": point_words(point.parameters),
            "objective": point.objective,
            "mean": point.mean,
            "deviation": point.deviation,
            "bias": None if point.mean is None else point.objective - point.mean,
            "best": int(point.number == study.repeats.selected),
        }
        for point in study.repeats.points
    ]
    columns = [
        Column("trial", "trial"),
        Column("point", "parameters"),
        Column("objective", Markup("objective,<br>in the search")),
        Column("mean", "mean", "further seeds"),
        Column("deviation", Markup("standard<br>deviation"), "further seeds"),
        Column("bias", "bias"),
    ]
    return Table("seeds", columns, rows)
