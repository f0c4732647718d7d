"""Figure of every trial of a study against the searched parameters (Fig. 5 for the embedding dimension)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import plotly.graph_objects as go
from markupsafe import Markup
from plotly.subplots import make_subplots

from darkclr_ray.detectors.display import GREY, Style
from darkclr_ray.reports import styles as theme
from darkclr_ray.reports.labels import EPS_B, EPS_S, detector_label
from darkclr_ray.reports.measurement import Measurement


@dataclass(frozen=True)
class Point:
    """Result of one trial with one score."""

    trial: int
    score: str
    parameters: Mapping[str, Any]
    rejection: Measurement
    auc: Measurement
    best: bool = False


@dataclass(frozen=True)
class Parameter:
    """A searched parameter: its key in a point, its name on the axis, and whether the axis is logarithmic.

    A parameter that is no number has the texts of its values as ``categories``. A trial need not have the parameter.
    """

    key: str
    title: Markup
    log: bool = False
    categories: tuple[str, ...] = ()

    def place(self, point: Point) -> float | None:
        """Return the position of a point on the axis; None if the trial does not have the parameter."""
        value = point.parameters.get(self.key)
        if self.categories:
            return float(self.categories.index(value_text(value)))
        return None if value is None else float(value)


def scan(
    choices: Mapping[str, Sequence[Point]], parameters: Sequence[Parameter], *, eps_s: float = 0.2, height: int = 640
) -> go.Figure:
    """Return a figure of rejection (top) and AUC (bottom) of every trial against each parameter.

    ``choices`` (label -> points) fill a menu; the first one is shown initially and in print. All choices contain the
    same trials and scores in the same order. A ring marks the best trial.

    Raises:
        ValueError: no trial to show.
    """
    if not choices or not next(iter(choices.values())):
        raise ValueError("no trial to show: give at least one choice with at least one point")
    first = next(iter(choices.values()))
    scores = list(dict.fromkeys(point.score for point in first))
    styles = theme.detector_styles(scores)
    figure = make_subplots(
        rows=2,
        cols=len(parameters),
        shared_xaxes=True,
        shared_yaxes=True,
        horizontal_spacing=0.015,
        vertical_spacing=0.03,
    )
    for column, parameter in enumerate(parameters, start=1):
        for row in (1, 2):
            for score in scores:
                points = [point for point in first if point.score == score]
                trace = _trace(points, parameter, styles[score], _numbers(points, row))
                figure.add_trace(trace.update(showlegend=column == row == 1), row=row, col=column)
        known = [at for point in first if (at := parameter.place(point)) is not None]
        figure.update_xaxes(x_axis(parameter, known), col=column)
        figure.update_xaxes(title_text=str(parameter.title), row=2, col=column)
    _y_axes(figure, [point for points in choices.values() for point in points], eps_s)
    if len(choices) > 1:
        buttons = [
            {"label": label, "method": "restyle", "args": [_restyle(points, scores, len(parameters))]}
            for label, points in choices.items()
        ]
        menu = {"buttons": buttons, "x": 1, "xanchor": "right", "y": 1.01, "yanchor": "bottom", "bgcolor": "white"}
        figure.update_layout(updatemenus=[menu])
    return theme.apply_template(figure, height)


def _numbers(points: Sequence[Point], row: int) -> list[Measurement]:
    return [point.rejection if row == 1 else point.auc for point in points]


def _trace(points: Sequence[Point], parameter: Parameter, style: Style, values: Sequence[Measurement]) -> go.Scatter:
    return go.Scatter(
        x=_spread(points, parameter),
        y=[value.value for value in values],
        error_y={"type": "data", "symmetric": False, "thickness": 1.2, "width": 0, **_bars(values)},
        mode="markers",
        name=str(detector_label(points[0].score)),
        legendgroup=points[0].score,
        marker={
            "color": style.faded(0.75),
            "symbol": style.symbol,
            "size": [13 if point.best else 8 for point in points],
            "line": {"color": theme.INK, "width": [2 if point.best else 0 for point in points]},
        },
        customdata=[[point.trial, _words(point)] for point in points],
        text=[str(value) for value in values],
        hovertemplate="trial %{customdata[0]}: %{text}<br>%{customdata[1]}<extra>%{fullData.name}</extra>",
    )


def _words(point: Point) -> str:
    return ", ".join(f"{key} = {value_text(value)}" for key, value in point.parameters.items())


def value_text(value: Any, digits: int = 4) -> str:
    """Return the value of a parameter as text, a number with some significant digits.

    >>> value_text(0.123456), value_text(True), value_text(["dropping", "rotation"])
    ('0.1235', 'True', 'dropping, rotation')
    """
    if isinstance(value, list):
        return ", ".join(value_text(one) for one in value)
    return f"{value:.{digits}g}" if isinstance(value, int | float) and not isinstance(value, bool) else str(value)


def _bars(values: Sequence[Measurement]) -> dict[str, list[float]]:
    return {"array": [value.up for value in values], "arrayminus": [value.down for value in values]}


def _spread(points: Sequence[Point], parameter: Parameter) -> list[float | None]:
    """Return the positions of the points; trials at the same position are placed side by side."""
    exact = [parameter.place(point) for point in points]
    known = [at for at in exact if at is not None]
    total, seen = Counter(known), Counter[float]()
    width = 1.0 if not known else max(known) / min(known) if parameter.log else max(known) - min(known)
    places: list[float | None] = []
    for at in exact:
        if at is None:
            places.append(None)
            continue
        step = 0.012 * (seen[at] - (total[at] - 1) / 2)
        places.append(at * width**step if parameter.log else at + step * (width or 1.0))
        seen[at] += 1
    return places


def x_axis(parameter: Parameter, places: Collection[float]) -> dict[str, object]:
    """Return the settings of the axis of a parameter on which there are points at these places."""
    if parameter.categories:
        names = {"tickvals": list(range(len(parameter.categories))), "ticktext": list(parameter.categories)}
        return {**names, "range": [-0.5, len(parameter.categories) - 0.5]}
    exact = sorted(set(places)) or [1.0]
    few = {"tickvals": exact, "ticktext": [f"{at:g}" for at in exact]}
    if not parameter.log:
        margin = 0.1 * (exact[-1] - exact[0]) or 0.1
        return {"range": [exact[0] - margin, exact[-1] + margin]}
    margin_factor = max((exact[-1] / exact[0]) ** 0.1, 1.2)
    axis = theme.log_axis(exact[0] / margin_factor, exact[-1] * margin_factor)
    whole = all(float(at).is_integer() for at in exact)
    return axis | few if whole else axis


def _y_axes(figure: go.Figure, points: Sequence[Point], eps_s: float) -> None:
    values = [point.rejection for point in points]
    low = min(1 / eps_s, *(value.value - value.down for value in values))
    high = max(value.value + value.up for value in values)
    figure.update_yaxes(theme.log_axis(0.9 * low, 1.15 * high), row=1)
    figure.update_yaxes(title_text=f"1/{EPS_B} at {EPS_S} = {eps_s:g}", row=1, col=1)
    areas = [point.auc for point in points]
    ends = [0.5, *(area.value - area.down for area in areas), *(area.value + area.up for area in areas)]
    figure.update_yaxes(range=[min(ends) - 0.02, max(ends) + 0.02], row=2)
    figure.update_yaxes(title_text="AUC", row=2, col=1)
    figure.add_hline(y=1 / eps_s, line={"dash": "dot", "width": 1, "color": GREY}, row=1, col="all")
    figure.add_hline(y=0.5, line={"dash": "dot", "width": 1, "color": GREY}, row=2, col="all")


def _restyle(points: Sequence[Point], scores: Sequence[str], columns: int) -> dict[str, list[object]]:
    """Return the change of all traces to another choice, in the order in which `scan` adds them."""
    traces = [
        _numbers([point for point in points if point.score == score], row)
        for _ in range(columns)
        for row in (1, 2)
        for score in scores
    ]
    return {
        "y": [[value.value for value in values] for values in traces],
        "error_y.array": [_bars(values)["array"] for values in traces],
        "error_y.arrayminus": [_bars(values)["arrayminus"] for values in traces],
        "text": [[str(value) for value in values] for values in traces],
    }
