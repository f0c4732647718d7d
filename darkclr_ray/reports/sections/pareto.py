"""Section on a search with several objectives: every complete trial, and the Pareto front among them."""

from __future__ import annotations

import plotly.graph_objects as go
from markupsafe import Markup

from darkclr_ray.reports import styles as theme
from darkclr_ray.reports import text as words
from darkclr_ray.reports.figures.scan import value_text
from darkclr_ray.reports.page import Figure, Section
from darkclr_ray.reports.tables import Cell, Column, Table
from darkclr_ray.reports.trials import Scan, Trial

COSTS = ("seconds", "parameters")
"""Objectives that are minimised."""


def sections(study: Scan) -> list[Section]:
    """Return the section on the Pareto front; none if the search has one objective."""
    names = objectives(study)
    if len(names) < 2:
        return []
    best = front(study)
    figures = [figure(study, names[0], other, best) for other in names[1:]]
    return [Section("pareto", "Several objectives", [*figures, table(study, names, best)])]


def objectives(study: Scan) -> list[str]:
    """Return the names of all objectives of the search."""
    return [study.objective, *study.settings["search"].get("further_objectives", ())]


def front(study: Scan) -> list[Trial]:
    """Return the complete trials that no other one equals or exceeds in all objectives and exceeds in one."""
    points = {trial.number: _gains(trial, objectives(study)) for trial in study.complete}

    def dominated(trial: Trial) -> bool:
        own = points[trial.number]
        return any(other != own and all(a >= b for a, b in zip(other, own, strict=True)) for other in points.values())

    return [trial for trial in study.complete if not dominated(trial)]


def _gains(trial: Trial, names: list[str]) -> tuple[float, ...]:
    """Return the values of the objectives, a cost with the opposite sign."""
    return tuple(-trial.objectives[name] if name in COSTS else trial.objective(name) for name in names)


def figure(study: Scan, name: str, other: str, best: list[Trial]) -> Figure:
    """Return the figure of one objective against another one for every complete trial."""
    numbers = {trial.number for trial in best}
    plot = go.Figure()
    for label, trials, colour in (
        ("dominated", [trial for trial in study.complete if trial.number not in numbers], theme.GREY),
        ("Pareto front", best, theme.INK),
    ):
        plot.add_trace(
            go.Scatter(
                x=[trial.objectives[other] for trial in trials],
                y=[trial.objectives[name] for trial in trials],
                mode="markers",
                name=label,
                marker={"color": colour, "size": 10},
                text=[f"trial {trial.number}: {_point(trial)}" for trial in trials],
                hovertemplate="%{text}<br>%{y:.4g} at %{x:.4g}<extra></extra>",
            )
        )
    plot.update_xaxes(title_text=f"{other} ({'minimised' if other in COSTS else 'maximised'})")
    plot.update_yaxes(title_text=f"{name} (maximised)")
    caption = Markup(
        "Objectives of every complete trial on validation jets. A trial is on the front if no other one is at least as "
        "good in all objectives of the search and better in one; both axes have statistical errors, which are not "
        "shown. {}"
    ).format(words.trained_and_selected(study))
    at = objectives(study).index(other)
    return Figure(f"pareto_{at}", theme.apply_template(plot, 420), caption)


def table(study: Scan, names: list[str], best: list[Trial]) -> Table:
    """Return the table of the trials on the front, the best in the first objective on top."""
    rows: list[dict[str, Cell]] = [
        {
            "trial": str(trial.number),
            "point": _point(trial),
            **{name: trial.objectives[name] for name in names},
            "best": int(trial.number == study.best.number),
        }
        for trial in sorted(best, key=lambda trial: -trial.objective(names[0]))
    ]
    columns = [Column("trial", "trial"), Column("point", "parameters"), *(Column(name, name) for name in names)]
    caption = (
        "Trials on the Pareto front. Seconds are those of the trainings that the trial's judged detector is made of, "
        "whichever trial did them, on the machine that did; parameters are those of its networks."
    )
    return Table("pareto_front", caption, columns, rows)


def _point(trial: Trial) -> str:
    return ", ".join(f"{name} = {value_text(value, 3)}" for name, value in trial.parameters.items())
