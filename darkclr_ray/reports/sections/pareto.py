"""Section on a search with several objectives: every complete trial, and the Pareto front among them."""

from __future__ import annotations

import plotly.graph_objects as go

from darkclr_ray.detectors.display import GREY
from darkclr_ray.reports import styles
from darkclr_ray.reports.page import Figure, Section
from darkclr_ray.reports.tables import Cell, Column, Table
from darkclr_ray.reports.text import point_words
from darkclr_ray.study.objectives import COSTS
from darkclr_ray.study.records import TrialRecord
from darkclr_ray.study.results import StudyResults


def section(study: StudyResults) -> Section | None:
    """Return the section on the Pareto front; None if the study has one objective."""
    names = objectives(study)
    if not study.trials or len(names) < 2:
        return None
    best = front(study)
    figures = [figure(study, at, best) for at in range(1, len(names))]
    named = {one.name: one for one in figures}
    return Section("pareto", {**named, "figures": figures, "front": table(study, names, best)})


def objectives(study: StudyResults) -> list[str]:
    """Return the names of all objectives of the search."""
    return [study.objective, *study.settings.search.further_objectives]


def front(study: StudyResults) -> list[TrialRecord]:
    """Return the complete trials that no other one equals or exceeds in all objectives and exceeds in one."""
    points = {trial.number: _gains(trial, objectives(study)) for trial in _complete(study)}

    def dominated(trial: TrialRecord) -> bool:
        own = points[trial.number]
        return any(other != own and all(a >= b for a, b in zip(other, own, strict=True)) for other in points.values())

    return [trial for trial in _complete(study) if not dominated(trial)]


def _complete(study: StudyResults) -> list[TrialRecord]:
    names = objectives(study)
    known = [trial for trial in study.trials if trial.state == "COMPLETE"]
    return [trial for trial in known if all(trial.objectives.get(name) is not None for name in names)]


def _gains(trial: TrialRecord, names: list[str]) -> tuple[float, ...]:
    """Return the values of the objectives, a cost with the opposite sign."""
    found = {name: trial.objectives[name] or 0.0 for name in names}
    return tuple(-value if name in COSTS else value for name, value in found.items())


def figure(study: StudyResults, at: int, best: list[TrialRecord]) -> Figure:
    """Return the figure of the first objective against another one for every complete trial."""
    name, other = objectives(study)[0], objectives(study)[at]
    numbers = {trial.number for trial in best}
    plot = go.Figure()
    for label, trials, colour in (
        ("dominated", [trial for trial in _complete(study) if trial.number not in numbers], GREY),
        ("Pareto front", best, styles.INK),
    ):
        plot.add_trace(
            go.Scatter(
                x=[trial.objectives[other] for trial in trials],
                y=[trial.objectives[name] for trial in trials],
                mode="markers",
                name=label,
                marker={"color": colour, "size": 10},
                text=[f"trial {trial.number}: {point_words(trial.parameters)}" for trial in trials],
                hovertemplate="%{text}<br>%{y:.4g} at %{x:.4g}<extra></extra>",
            )
        )
    plot.update_xaxes(title_text=f"{other} ({'minimised' if other in COSTS else 'maximised'})")
    plot.update_yaxes(title_text=f"{name} (maximised)")
    return Figure(f"pareto_{at}", styles.apply_template(plot, 420))


def table(study: StudyResults, names: list[str], best: list[TrialRecord]) -> Table:
    """Return the table of the trials on the front, the best in the first objective on top."""
    rows: list[dict[str, Cell]] = [
        {
            "trial": str(trial.number),
            "point": point_words(trial.parameters),
            **{name: trial.objectives[name] for name in names},
            "best": int(trial.number == study.best.number),
        }
        for trial in sorted(best, key=lambda trial: -(trial.objectives[names[0]] or 0.0))
    ]
    columns = [Column("trial", "trial"), Column("point", "parameters"), *(Column(name, name) for name in names)]
    return Table("pareto_front", columns, rows)
