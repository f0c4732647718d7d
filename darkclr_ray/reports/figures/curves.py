"""Figure of a quantity of several detectors against a parameter: the paper's Table 3 as a figure, and Figs. 5 and 6."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain

import plotly.graph_objects as go
from markupsafe import Markup
from plotly.subplots import make_subplots

from darkclr_ray.detectors.display import GREY, Style
from darkclr_ray.reports import styles as theme
from darkclr_ray.reports.labels import EPS_B, EPS_S, Axis, detector_label
from darkclr_ray.reports.measurement import Measurement


@dataclass(frozen=True)
class Curve:
    """Values of one detector at the positions of an axis.

    Attributes:
        detector: name of the detector.
        values: value at each position, with the interval of the test sample.
        deviations: standard deviation over networks at each position; empty for a detector without seeds.
        label: label of the curve if it is not that of the detector.
        style: style of the curve if it is not that of the detector.
    """

    detector: str
    values: Mapping[str, Measurement]
    deviations: Mapping[str, float] = field(default_factory=dict)
    label: Markup | None = None
    style: Style | None = None

    @property
    def name(self) -> str:
        """Label of the curve in the legend."""
        return str(self.label or detector_label(self.detector))


@dataclass(frozen=True)
class Quantity:
    """Quantity on a vertical axis: its title, its value for random guessing, and whether the axis is logarithmic."""

    title: Markup
    chance: float | None
    log: bool


def rejection(eps_s: float) -> Quantity:
    """Return the background rejection at a signal efficiency as a quantity for an axis."""
    return Quantity(Markup("background rejection 1/{} at {} = {:g}").format(EPS_B, EPS_S, eps_s), 1 / eps_s, log=True)


AUC = Quantity(Markup("AUC"), 0.5, log=False)


def against(
    axes: Sequence[Axis],
    rows: Sequence[tuple[Quantity, Mapping[str, Sequence[Curve]]]],
    *,
    bands: bool = False,
    height: int = 430,
) -> go.Figure:
    """Return a figure with rows of panels, one for each panel of a row (title -> curves) and each of ``axes``.

    The panels of a row share one vertical axis. With ``bands`` the uncertainty from the test sample is a light band and
    the standard deviation over networks a darker one. Without ``bands``, and on axes that have only names, error bars
    show the uncertainty from the test sample. An arrow is a lower bound; the dotted line is random guessing.

    Raises:
        ValueError: nothing to show.
    """
    columns = [(title, axis) for title in (rows[0][1] if rows else ()) for axis in axes]
    if not columns or not any(_values(panels) for _, panels in rows):
        raise ValueError("nothing to show: give at least one axis and one curve with a value")
    figure = make_subplots(
        rows=len(rows),
        cols=len(columns),
        shared_xaxes=len(rows) > 1,
        shared_yaxes=True,
        horizontal_spacing=0.015,
        vertical_spacing=0.04,
        column_titles=[title for title, _ in columns],
        column_widths=[_width(axis) for _, axis in columns],
    )
    everything = list(chain.from_iterable(curve for _, panels in rows for curve in panels.values()))
    styles = theme.detector_styles([curve.detector for curve in everything])
    named: set[str] = set()
    for row, (quantity, panels) in enumerate(rows, start=1):
        for column, (title, axis) in enumerate(columns, start=1):
            drawn = panels[title]
            filled = bands and not axis.names
            for curve in drawn if filled else ():
                figure.add_traces(_bands(curve, axis, curve.style or styles[curve.detector]), rows=row, cols=column)
            for at, curve in enumerate(drawn):
                step = 0.0 if filled else at - (len(drawn) - 1) / 2
                line = _line(curve, axis, step, curve.style or styles[curve.detector], bars=not filled)
                figure.add_trace(line.update(showlegend=curve.name not in named), row=row, col=column)
                named.add(curve.name)
            if quantity.chance is not None:
                dotted = {"dash": "dot", "width": 1, "color": GREY}
                figure.add_hline(y=quantity.chance, line=dotted, row=row, col=column)
            figure.update_xaxes(_x_axis(axis), row=row, col=column)
            if row == len(rows):
                figure.update_xaxes(title_text=str(axis.title), row=row, col=column)
        figure.update_yaxes(_y_axis(quantity, _values(panels)), row=row)
        figure.update_yaxes(title_text=str(quantity.title), row=row, col=1)
    lines = math.ceil(sum(len(re.sub("<.*?>", "", name)) + 8 for name in named) / 130)  # lines of the legend
    more = 24 * max(lines - 1, 0)
    return theme.apply_template(figure, height + more).update_layout(margin={"t": 62 + more})


def _values(panels: Mapping[str, Sequence[Curve]]) -> list[Measurement]:
    """Return all values of a row with their intervals, which determine the range of the axis."""
    return [
        Measurement(
            value.value, value.value - value.down, value.value + max(value.up, curve.deviations.get(place, 0.0))
        )
        for drawn in panels.values()
        for curve in drawn
        for place, value in curve.values.items()
        if math.isfinite(value.value)
    ]


def _width(axis: Axis) -> float:
    return max(2, len(axis.positions))


def _places(curve: Curve, axis: Axis) -> list[str]:
    """Return the signals for which the curve has a value, from left to right on the axis."""
    return sorted((name for name in axis.positions if name in curve.values), key=lambda name: axis.positions[name])


def _bands(curve: Curve, axis: Axis, style: Style) -> list[go.Scatter]:
    """Return a light band for the test sample and a darker one for the deviation over networks."""
    places = _places(curve, axis)
    x, values = [axis.positions[name] for name in places], [curve.values[name] for name in places]
    bands = [_band(curve, x, values, [(value.down, value.up) for value in values], style.faded(0.13))]
    if curve.deviations:
        spread = [(curve.deviations.get(name, 0.0),) * 2 for name in places]
        bands.append(_band(curve, x, values, spread, style.faded(0.3)))
    return bands


def _band(
    curve: Curve, x: Sequence[float], values: Sequence[Measurement], reach: Sequence[tuple[float, float]], colour: str
) -> go.Scatter:
    low = [max(value.value - down, 1e-3) for value, (down, _) in zip(values, reach, strict=True)]
    high = [value.value + up for value, (_, up) in zip(values, reach, strict=True)]
    return go.Scatter(
        x=[*x, *reversed(x)],
        y=[*high, *reversed(low)],
        fill="toself",
        fillcolor=colour,
        line={"width": 0},
        mode="lines",
        hoverinfo="skip",
        legendgroup=curve.name,
        showlegend=False,
    )


def _line(curve: Curve, axis: Axis, step: float, style: Style, *, bars: bool) -> go.Scatter:
    places = _places(curve, axis)
    values = [curve.values[name] for name in places]
    trace = go.Scatter(
        x=[_beside(axis, axis.positions[name], step) for name in places],
        y=[value.value for value in values],
        mode="markers" if axis.names else "lines+markers",
        name=curve.name,
        legendgroup=curve.name,
        line={"color": style.colour, "dash": style.dash, "width": 1.8},
        marker={
            "color": style.colour,
            "size": [11 if value.bound else 9 for value in values],
            "symbol": ["arrow-up" if value.bound else style.symbol for value in values],
        },
        text=[_words(value, curve.deviations.get(name)) for name, value in zip(places, values, strict=True)],
        hovertemplate="%{text}<extra>%{fullData.name}</extra>",
    )
    if bars:
        trace.update(
            error_y={
                "type": "data",
                "symmetric": False,
                "array": [value.up for value in values],
                "arrayminus": [value.down for value in values],
                "thickness": 1.6,
                "width": 3,
            }
        )
    return trace


def _words(value: Measurement, deviation: float | None) -> str:
    return f"{value}" + (f", networks ± {deviation:.3g}" if deviation is not None else "")


def _beside(axis: Axis, position: float, step: float) -> float:
    """Return the position shifted by ``step`` small steps, so that error bars of detectors do not overlap."""
    places = axis.positions.values()
    if axis.log:
        return float(position * (max(places) / min(places)) ** (0.012 * step))
    return position + 0.012 * step * ((max(places) - min(places)) or 1.0)


def _x_axis(axis: Axis) -> dict[str, object]:
    places = sorted(set(axis.positions.values()))
    labels = [str(axis.names[name]) for name in axis.positions] if axis.names else [f"{at:g}" for at in places]
    margin = 0.12 * (places[-1] - places[0]) or 0.5
    style: dict[str, object] = {"tickvals": places, "ticktext": labels}
    if axis.log:
        # of several tick labels that would overlap, only the last one is shown
        apart = [at for at, after in zip(places, [*places[1:], math.inf], strict=True) if after > 1.1 * at]
        style |= {} if axis.names else {"tickvals": apart, "ticktext": [f"{at:g}" for at in apart]}
        return style | {"type": "log", "range": [math.log10(places[0] / 1.2), math.log10(places[-1] * 1.2)]}
    return style | {"range": [places[0] - margin, places[-1] + margin]}


def _y_axis(quantity: Quantity, values: Sequence[Measurement]) -> dict[str, object]:
    chance = [] if quantity.chance is None else [quantity.chance]
    low = min([*chance, *(value.low for value in values)])
    high = max([*chance, *(value.high for value in values)])
    if quantity.log:
        return theme.log_axis(0.8 * max(low, 0.1), 1.25 * high)
    return {"range": [low - 0.06 * (high - low), high + 0.06 * (high - low)]}
