"""Figure of a number over invisible fraction and meson mass, with one map per detector."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from darkclr_ray.detectors.display import VERMILLION
from darkclr_ray.reports import styles as theme
from darkclr_ray.reports.labels import R_INV

Point = tuple[float, float]
"""r_inv and the mass of the dark pion in GeV."""

COLUMNS = 4


@dataclass(frozen=True)
class Scale:
    """Colour scale of a map: title of the bar, plotly's colour scale, whether it is logarithmic, and its middle.

    The middle is a reference number in the middle of the scale, such as 1 for a ratio; None if there is none.
    """

    title: str
    colours: str
    log: bool = True
    middle: float | None = None


def maps(
    panels: Mapping[str, Mapping[Point, float]], scale: Scale, marks: Mapping[str, Point], *, columns: int = COLUMNS
) -> go.Figure:
    """Return a figure with a map for each of ``panels`` (title -> point -> number), all on one colour scale.

    Each cell shows its number; ``marks`` (name -> point) are shown as rings.

    Raises:
        ValueError: no panel, or none with a point.
    """
    numbers = [number for cells in panels.values() for number in cells.values() if math.isfinite(number)]
    if not numbers:
        raise ValueError("no map to show: give at least one panel with a number")
    columns = min(columns, len(panels))
    rows = math.ceil(len(panels) / columns)
    points = [point for cells in panels.values() for point in cells]
    r_inv, masses = sorted({r for r, _ in points}), sorted({mass for _, mass in points})
    figure = make_subplots(
        rows=rows,
        cols=columns,
        subplot_titles=list(panels),
        shared_xaxes=True,
        shared_yaxes=True,
        horizontal_spacing=0.02,
        vertical_spacing=0.2 / rows,
    )
    for at, cells in enumerate(panels.values()):
        row, column = at // columns + 1, at % columns + 1
        figure.add_trace(_map(cells, r_inv, masses, scale), row=row, col=column)
        figure.add_trace(_marks(marks, r_inv, masses, show=at == 0), row=row, col=column)
        if row == rows or at + columns >= len(panels):
            figure.update_xaxes(title_text=str(R_INV), showticklabels=True, row=row, col=column)
        if column == 1:
            figure.update_yaxes(title_text="dark pion mass [GeV]", row=row, col=column)
    figure.update_xaxes(_ticks(r_inv), showgrid=False)
    figure.update_yaxes(_ticks(masses), showgrid=False)
    figure.update_annotations(font_size=14)
    figure.update_layout(coloraxis=_colours(numbers, scale))
    height = rows * 240 + 100
    return theme.apply_template(figure, height).update_layout(margin={"t": 66, "r": 110})


def _place(value: float, known: Sequence[float]) -> float:
    """Return the position of a value on an axis of equally wide cells: the index of its cell, or a value in between."""
    if value in known:
        return float(known.index(value))
    below = [at for at, one in enumerate(known) if one < value]
    if not below or len(below) == len(known):
        return -0.5 if not below else len(known) - 0.5
    low, high = known[below[-1]], known[below[-1] + 1]
    return below[-1] + (value - low) / (high - low)


def _map(cells: Mapping[Point, float], r_inv: Sequence[float], masses: Sequence[float], scale: Scale) -> go.Heatmap:
    numbers = [[cells.get((r, mass), math.nan) for r in r_inv] for mass in masses]
    return go.Heatmap(
        x=list(range(len(r_inv))),
        y=list(range(len(masses))),
        z=[[_height(number, scale) for number in line] for line in numbers],
        text=[["" if math.isnan(number) else _short(number) for number in line] for line in numbers],
        customdata=[[[r, mass] for r in r_inv] for mass in masses],
        texttemplate="%{text}",
        textfont={"size": 12},
        hovertemplate=f"{R_INV} = %{{customdata[0]:g}}, %{{customdata[1]:g}} GeV: %{{text}}<extra></extra>",
        hoverongaps=False,
        xgap=1,
        ygap=1,
        coloraxis="coloraxis",
    )


def _marks(marks: Mapping[str, Point], r_inv: Sequence[float], masses: Sequence[float], *, show: bool) -> go.Scatter:
    return go.Scatter(
        x=[_place(r, r_inv) for r, _ in marks.values()],
        y=[_place(mass, masses) for _, mass in marks.values()],
        mode="markers",
        name="points of the paper",
        legendgroup="marks",
        showlegend=show and bool(marks),
        marker={"symbol": "circle-open", "size": 26, "color": VERMILLION, "line": {"width": 2.5}},
        text=list(marks),
        hovertemplate="%{text}<extra></extra>",
    )


def _height(number: float, scale: Scale) -> float | None:
    if not math.isfinite(number) or (scale.log and number <= 0):
        return None
    return math.log10(number) if scale.log else number


def _short(number: float) -> str:
    return f"{number:.2f}" if abs(number) < 3 else f"{number:.1f}" if abs(number) < 10 else f"{number:,.0f}"


def _ticks(known: Sequence[float]) -> dict[str, object]:
    return {
        "tickvals": list(range(len(known))),
        "ticktext": [f"{one:g}" for one in known],
        "range": [-0.55, len(known) - 0.45],
        "ticks": "",
    }


def _colours(numbers: Sequence[float], scale: Scale) -> dict[str, object]:
    low, high = min(numbers), max(numbers)
    if scale.middle is not None:
        reach = max(high / scale.middle, scale.middle / low, 1.1)
        low, high = scale.middle / reach, scale.middle * reach
    axis = theme.log_axis(low, high * 1.0001) if scale.log else {"range": [low, high]}
    ticks = {}
    if scale.log:
        shown = axis["tickvals"]
        assert isinstance(shown, list)
        if len(shown) < 2:
            shown = [low, math.sqrt(low * high), high]
        ticks = {"tickvals": [math.log10(tick) for tick in shown], "ticktext": [f"{tick:.3g}" for tick in shown]}
    first, last = (math.log10(low), math.log10(high)) if scale.log else (low, high)
    bar = {"title": {"text": scale.title, "side": "right"}, "thickness": 14, **ticks}
    return {"colorscale": scale.colours, "cmin": first, "cmax": last, "colorbar": bar}
