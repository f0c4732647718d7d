"""Figures of a search: training curves, parallel coordinates, slices, importances and the timeline of its trials."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import plotly.graph_objects as go
from markupsafe import Markup
from plotly.colors import sample_colorscale
from plotly.subplots import make_subplots

from darkclr_ray.detectors.display import BLACK, BLUE, ORANGE, VERMILLION, Style
from darkclr_ray.reports import styles as theme
from darkclr_ray.reports.figures.scan import Parameter, value_text, x_axis
from darkclr_ray.study.importances import Importance
from darkclr_ray.study.records import State
from darkclr_ray.study.timeline import Timeline

STATES: Mapping[State, tuple[str, Style]] = {
    "COMPLETE": ("complete", Style(BLUE)),
    "PRUNED": ("pruned", Style(ORANGE, "dash", "triangle-down")),
    "FAIL": ("failed", Style(VERMILLION, "dot", "x")),
}
"""Names and styles of the states of trials."""

BEST = ("best trial", Style(BLACK, "solid", "diamond"))
SCALE = "Cividis"
DOTTED = 15
"""Number of epochs above which a curve has no markers."""
WRAPPED = 4
"""Number of slices side by side."""


@dataclass(frozen=True)
class Trial:
    """A trial: its state, its point, its objective (None without), and whether it is the best.

    Attributes:
        curves: values (epoch, value) by name of the quantity.
    """

    number: int
    state: State
    parameters: Mapping[str, Any]
    objective: float | None = None
    best: bool = False
    curves: Mapping[str, Sequence[tuple[float, float]]] = field(default_factory=dict)

    @property
    def group(self) -> tuple[str, Style]:
        """Name and style of the group of trials that it belongs to."""
        return BEST if self.best else STATES[self.state]


GROUPS = (*STATES.values(), BEST)


def training_curves(trials: Sequence[Trial], titles: Mapping[str, str], logarithmic: Collection[str]) -> go.Figure:
    """Return a figure with a panel for each quantity of ``titles`` (name -> title) against the epoch, for all trials.

    Quantities in ``logarithmic`` are positive and have a logarithmic axis.

    Raises:
        ValueError: no quantity.
    """
    if not titles:
        raise ValueError("no curve to show: give at least one quantity")
    figure = make_subplots(rows=1, cols=len(titles), subplot_titles=list(titles.values()), horizontal_spacing=0.07)
    named: set[str] = set()
    for column, quantity in enumerate(titles, start=1):
        for group in GROUPS:
            members = [trial for trial in trials if trial.group == group and trial.curves.get(quantity)]
            if members:
                trace = _curves(members, quantity, *group).update(showlegend=group[0] not in named)
                figure.add_trace(trace, row=1, col=column)
                named.add(group[0])
        if quantity in logarithmic:
            figure.update_yaxes(type="log", exponentformat="power", dtick=1, row=1, col=column)
    figure.update_xaxes(title_text="epoch")
    figure.update_annotations(font_size=14)
    return theme.apply_template(figure, 360)


def _curves(members: Sequence[Trial], quantity: str, name: str, style: Style) -> go.Scatter:
    """Return one trace with the curves of several trials, which gaps separate."""
    x: list[float | None] = []
    y: list[float | None] = []
    numbers: list[int] = []
    for trial in members:
        points = trial.curves[quantity]
        x += [*(epoch for epoch, _ in points), None]
        y += [*(float(f"{value:.5g}") for _, value in points), None]
        numbers += [trial.number] * (len(points) + 1)
    best = (name, style) == BEST
    return go.Scatter(
        x=x,
        y=y,
        customdata=numbers,
        mode="lines+markers" if max(len(trial.curves[quantity]) for trial in members) <= DOTTED else "lines",
        connectgaps=False,
        name=name,
        legendgroup=name,
        line={"color": style.colour if best else style.faded(0.6), "dash": style.dash, "width": 2.5 if best else 1.3},
        marker={"symbol": style.symbol, "size": 7},
        hovertemplate="trial %{customdata}, epoch %{x}: %{y:.4g}<extra></extra>",
    )


def parallel_coordinates(trials: Sequence[Trial], parameters: Sequence[Parameter], objective: Markup) -> go.Figure:
    """Return a figure with a vertical axis for each parameter, and one for the objective; each trial is a line.

    The colour of a complete trial is its objective. Trials without one end before the last axis.

    Raises:
        ValueError: no complete trial.
    """
    complete = sorted((one for one in trials if one.objective is not None), key=lambda one: one.objective or 0.0)
    if not complete:
        raise ValueError("no complete trial to show")
    axes = [_Axis.of(parameter, trials) for parameter in parameters]
    goal = _Axis.of(Parameter("objective", objective), [_with_objective(one) for one in complete])
    figure = go.Figure()
    for state in ("PRUNED", "FAIL"):
        members = [one for one in trials if one.state == state]
        if members:
            figure.add_trace(_early(members, axes, *STATES[state]))
    low, high = (one.objective or 0.0 for one in (complete[0], complete[-1]))
    for one in complete:
        share = ((one.objective or 0.0) - low) / ((high - low) or 1.0)
        colour = theme.INK if one.best else sample_colorscale(SCALE, [1.0 - share])[0]
        places = [axis.place(one.parameters) for axis in axes] + [goal.place({"objective": one.objective})]
        figure.add_trace(_line(one, places, colour, 4.0 if one.best else 1.8))
    for at, axis in enumerate([*axes, goal]):
        figure.add_shape(type="line", x0=at, x1=at, y0=0, y1=1, line={"color": theme.INK, "width": 1})
        label = {"x": at, "showarrow": False, "font": {"size": 14}}
        figure.add_annotation(text=axis.title, y=1.04, yanchor="bottom", **label)
        for place, text in axis.ticks:
            tick = {"x": at, "y": place, "showarrow": False, "font": {"size": 12}}
            figure.add_annotation(text=text, xanchor="left", xshift=4, yshift=9, **tick)
    figure.update_xaxes(visible=False, range=[-0.15, len(axes) + 0.35])
    figure.update_yaxes(visible=False, range=[-0.05, 1.14])
    return theme.apply_template(figure, 420).update_layout(margin={"b": 12})


@dataclass(frozen=True)
class _Axis:
    """An axis of parallel coordinates: places are from 0 to 1."""

    parameter: Parameter
    low: float
    high: float
    ticks: list[tuple[float, str]]

    @classmethod
    def of(cls, parameter: Parameter, trials: Sequence[Trial]) -> _Axis:
        found = sorted({at for trial in trials if (at := _exact(parameter, trial.parameters)) is not None}) or [0.0]
        low, high = _scaled(found[0], parameter), _scaled(found[-1], parameter)
        axis = cls(parameter, low, high, [])
        shown = found if len(found) <= 8 else [found[0], *_between(found[0], found[-1], parameter), found[-1]]
        words = parameter.categories
        axis.ticks.extend((axis._at(one), words[int(one)] if words else value_text(one, 3)) for one in shown)
        return axis

    @property
    def title(self) -> str:
        return str(self.parameter.title)

    def place(self, parameters: Mapping[str, Any]) -> float | None:
        """Return the place of a point; None if it does not have the parameter."""
        exact = _exact(self.parameter, parameters)
        return None if exact is None else self._at(exact)

    def _at(self, exact: float) -> float:
        width = self.high - self.low
        return round((_scaled(exact, self.parameter) - self.low) / width, 4) if width else 0.5


def _exact(parameter: Parameter, parameters: Mapping[str, Any]) -> float | None:
    value = parameters.get(parameter.key)
    if parameter.categories:
        return (
            float(parameter.categories.index(value_text(value))) if value_text(value) in parameter.categories else None
        )
    return None if value is None else float(value)


def _scaled(value: float, parameter: Parameter) -> float:
    return math.log(value) if parameter.log and value > 0 else value


def _between(low: float, high: float, parameter: Parameter) -> list[float]:
    """Return three values between two, at equal distances on the axis."""
    ends = _scaled(low, parameter), _scaled(high, parameter)
    inner = np.linspace(*ends, 5)[1:-1]
    return [float(one) for one in (np.exp(inner) if parameter.log and low > 0 else inner)]


def _with_objective(trial: Trial) -> Trial:
    return Trial(trial.number, trial.state, {"objective": trial.objective})


def _line(trial: Trial, places: Sequence[float | None], colour: str, width: float) -> go.Scatter:
    words = ", ".join(f"{key} = {value_text(value)}" for key, value in trial.parameters.items())
    return go.Scatter(
        x=list(range(len(places))),
        y=list(places),
        mode="lines+markers",
        connectgaps=False,
        line={"color": colour, "width": width},
        marker={"size": 5},
        showlegend=trial.best,
        name=BEST[0],
        hovertemplate=f"trial {trial.number}: {value_text(trial.objective)}<br>{words}<extra></extra>",
    )


def _early(members: Sequence[Trial], axes: Sequence[_Axis], name: str, style: Style) -> go.Scatter:
    """Return one trace with the lines of all trials of a state, which gaps separate."""
    x: list[float | None] = []
    y: list[float | None] = []
    for one in members:
        x += [*range(len(axes)), None]
        y += [*(axis.place(one.parameters) for axis in axes), None]
    return go.Scatter(
        x=x,
        y=y,
        customdata=[one.number for one in members for _ in range(len(axes) + 1)],
        mode="lines",
        name=name,
        line={"color": style.faded(0.45), "dash": style.dash, "width": 1.3},
        hovertemplate=f"trial %{{customdata}}, {name}<extra></extra>",
    )


def slices(trials: Sequence[Trial], parameters: Sequence[Parameter], objective: Markup) -> go.Figure:
    """Return a figure of the objective of every trial against each parameter; lighter points are later trials.

    Trials without an objective are at the lower edge.

    Raises:
        ValueError: no complete trial.
    """
    complete = [one for one in trials if one.objective is not None]
    if not complete:
        raise ValueError("no complete trial to show")
    values = [one.objective or 0.0 for one in complete]
    margin = 0.12 * (max(values) - min(values)) or 0.1
    floor = min(values) - 1.2 * margin
    columns = min(WRAPPED, len(parameters))
    rows = math.ceil(len(parameters) / columns)
    figure = make_subplots(
        rows=rows, cols=columns, shared_yaxes=True, horizontal_spacing=0.015, vertical_spacing=0.28 / rows
    )
    for at, parameter in enumerate(parameters):
        where = {"row": at // columns + 1, "col": at % columns + 1}
        groups = {name: (style, [one for one in trials if one.group == (name, style)]) for name, style in GROUPS}
        for name, (style, members) in groups.items():
            placed = [(exact, one) for one in members if (exact := _exact(parameter, one.parameters)) is not None]
            if placed:
                figure.add_trace(_slice(placed, name, style, floor).update(showlegend=at == 0), **where)
        places = [exact for one in trials if (exact := _exact(parameter, one.parameters)) is not None]
        figure.update_xaxes(x_axis(parameter, places), title_text=str(parameter.title), **where)
    figure.update_yaxes(range=[floor - margin, max(values) + margin])
    figure.update_yaxes(title_text=str(objective), col=1)
    scale = {"colorscale": SCALE, "cmin": 0, "cmax": max(one.number for one in trials) or 1}
    bar = {"title": {"text": "trial"}, "thickness": 12, "len": 0.9}
    figure.update_layout(coloraxis={**scale, "colorbar": bar})
    return theme.apply_template(figure, 90 + 270 * rows).update_layout(margin={"r": 100})


def _slice(placed: Sequence[tuple[float, Trial]], name: str, style: Style, floor: float) -> go.Scatter:
    trials = [one for _, one in placed]
    marker: dict[str, Any] = {"symbol": style.symbol, "size": 13 if (name, style) == BEST else 9}
    if trials[0].objective is None:
        marker |= {"color": style.faded(0.8)}
    else:
        marker |= {"color": [one.number for one in trials], "coloraxis": "coloraxis"}
        marker |= {"line": {"color": theme.INK, "width": 2 if (name, style) == BEST else 0.5}}
    return go.Scatter(
        x=[exact for exact, _ in placed],
        y=[floor if one.objective is None else one.objective for one in trials],
        mode="markers",
        name=name,
        legendgroup=name,
        marker=marker,
        customdata=[one.number for one in trials],
        hovertemplate="trial %{customdata} at %{x:.4g}"
        + (f", {name}" if trials[0].objective is None else ": %{y:.4g}")
        + "<extra></extra>",
    )


def importances(found: Sequence[Importance], titles: Mapping[str, str]) -> go.Figure:
    """Return a figure of the importance of each parameter (name -> title), with its range over seeds.

    Raises:
        ValueError: no parameter.
    """
    if not found:
        raise ValueError("no importance to show")
    figure = go.Figure(
        go.Bar(
            x=[one.mean for one in found],
            y=[titles.get(one.parameter, one.parameter) for one in found],
            error_x={
                "symmetric": False,
                "array": [one.high - one.mean for one in found],
                "arrayminus": [one.mean - one.low for one in found],
                "thickness": 1.5,
                "width": 5,
            },
            orientation="h",
            marker={"color": Style(BLUE).faded(0.65)},
            showlegend=False,
            hovertemplate="%{y}: %{x:.2f}<extra></extra>",
        )
    )
    figure.update_xaxes(title_text="share of the objective’s variance", range=[0, 1.02])
    figure.update_yaxes(autorange="reversed")
    return theme.apply_template(figure, 110 + 40 * len(found)).update_layout(margin={"t": 20})


def trial_timeline(found: Timeline) -> go.Figure:
    """Return a figure of the trials on their worker groups against time in minutes.

    Raises:
        ValueError: no trial.
    """
    if not found.bars:
        raise ValueError("no trial to show: their times were not recorded")
    figure = go.Figure()
    for state, (name, style) in STATES.items():
        bars = [bar for bar in found.bars if bar.state == state]
        if bars:
            figure.add_trace(
                go.Bar(
                    base=[bar.start / 60 for bar in bars],
                    x=[(bar.end - bar.start) / 60 for bar in bars],
                    y=[f"group {bar.worker_group}" for bar in bars],
                    text=[str(bar.number) for bar in bars],
                    orientation="h",
                    name=name,
                    textposition="inside",
                    insidetextanchor="middle",
                    textangle=0,
                    marker={"color": style.faded(0.65), "line": {"color": "white", "width": 1}},
                    customdata=[round(bar.end - bar.start) for bar in bars],
                    hovertemplate="trial %{text}: %{customdata} s<extra>%{fullData.name}</extra>",
                )
            )
    for at in found.interruptions:
        figure.add_vline(x=at / 60, line={"dash": "dot", "width": 1.5, "color": theme.INK})
    groups = len({bar.worker_group for bar in found.bars})
    figure.update_xaxes(title_text="time [min]", rangemode="tozero")
    figure.update_yaxes(autorange="reversed", categoryorder="category ascending")
    return theme.apply_template(figure, 130 + 46 * groups).update_layout(
        barmode="overlay", uniformtext={"minsize": 12, "mode": "hide"}
    )
