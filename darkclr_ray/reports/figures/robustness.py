"""Background rejection of several detectors as the dark sector changes (the paper's Table 3 as a figure)."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from darkclr_ray.reports import theme
from darkclr_ray.reports.labels import EPS_B, EPS_S, Axis, detector_label
from darkclr_ray.reports.values import Value


@dataclass(frozen=True)
class Curve:
    """One detector's rejection for each signal."""

    detector: str
    values: Mapping[str, Value]


def rejection_against_signal(
    axes: Sequence[Axis], panels: Mapping[str, Sequence[Curve]], *, eps_s: float = 0.2, height: int = 430
) -> go.Figure:
    """One panel for each of ``panels`` (title -> curves) and each of ``axes``, side by side on one log axis.

    Error bars are the values' intervals; an arrow is a lower bound; the dotted line is chance, 1/eps_S.

    Raises:
        ValueError: nothing to show.
    """
    columns = [(title, axis) for title in panels for axis in axes]
    values = [value for curves in panels.values() for curve in curves for value in curve.values.values()]
    if not columns or not values:
        raise ValueError("no rejection to show: give at least one axis and one detector with a value")
    figure = make_subplots(
        rows=1,
        cols=len(columns),
        shared_yaxes=True,
        horizontal_spacing=0.015,
        column_titles=[title for title, _ in columns],
        column_widths=[_width(axis) for _, axis in columns],
    )
    looks = theme.detector_looks([curve.detector for curves in panels.values() for curve in curves])
    named: set[str] = set()
    for column, (title, axis) in enumerate(columns, start=1):
        curves = panels[title]
        for at, curve in enumerate(curves):
            trace = _trace(curve, axis, looks[curve.detector], at - (len(curves) - 1) / 2)
            figure.add_trace(trace.update(showlegend=curve.detector not in named), row=1, col=column)
            named.add(curve.detector)
        figure.add_hline(y=1 / eps_s, line={"dash": "dot", "width": 1, "color": theme.GREY}, row=1, col=column)
        figure.update_xaxes(_x_axis(axis), row=1, col=column)
    low = min(1 / eps_s, *(value.value - value.down for value in values))
    high = max(value.value + value.up for value in values)
    figure.update_yaxes(theme.log_axis(0.8 * low, 1.25 * high))
    figure.update_yaxes(title_text=f"background rejection 1/{EPS_B} at {EPS_S} = {eps_s:g}", row=1, col=1)
    return theme.dress(figure, height)


def _width(axis: Axis) -> float:
    return max(2, len(axis.positions))


def _trace(curve: Curve, axis: Axis, look: theme.Look, step: float) -> go.Scatter:
    signals = sorted((name for name in axis.positions if name in curve.values), key=lambda name: axis.positions[name])
    values = [curve.values[name] for name in signals]
    return go.Scatter(
        x=[_beside(axis, axis.positions[name], step) for name in signals],
        y=[value.value for value in values],
        error_y={
            "type": "data",
            "symmetric": False,
            "array": [value.up for value in values],
            "arrayminus": [value.down for value in values],
            "thickness": 1.6,
            "width": 3,
        },
        mode="markers" if axis.names else "lines+markers",
        name=str(detector_label(curve.detector)),
        legendgroup=curve.detector,
        line={"color": look.colour, "dash": look.dash, "width": 1.6},
        marker={
            "color": look.colour,
            "size": [11 if value.bound else 9 for value in values],
            "symbol": ["arrow-up" if value.bound else look.symbol for value in values],
        },
        text=[str(value) for value in values],
        hovertemplate="%{text}<extra>%{fullData.name}</extra>",
    )


def _beside(axis: Axis, position: float, step: float) -> float:
    """The position moved by ``step`` small steps, so that error bars of detectors do not cover each other."""
    places = axis.positions.values()
    if axis.log:
        return float(position * (max(places) / min(places)) ** (0.012 * step))
    return position + 0.012 * step * ((max(places) - min(places)) or 1.0)


def _x_axis(axis: Axis) -> dict[str, object]:
    places = sorted(set(axis.positions.values()))
    labels = [str(axis.names[name]) for name in axis.positions] if axis.names else [f"{at:g}" for at in places]
    margin = 0.12 * (places[-1] - places[0]) or 0.5
    look: dict[str, object] = {"title_text": str(axis.title), "tickvals": places, "ticktext": labels}
    if axis.log:
        return look | {"type": "log", "range": [math.log10(places[0] / 1.2), math.log10(places[-1] * 1.2)]}
    return look | {"range": [places[0] - margin, places[-1] + margin]}
