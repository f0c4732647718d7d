"""Figure of many detectors: one line per detector, one panel per signal, raw and matched values beside each other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from darkclr_ray.detectors.display import GREY, Style
from darkclr_ray.reports import styles as theme
from darkclr_ray.reports.figures.curves import Quantity
from darkclr_ray.reports.measurement import Measurement

Dots = Mapping[str, tuple[Measurement, float | None]]
"""Mapping from signal to its value with the interval of the test sample, and to the standard deviation over networks
(None for a single network)."""


def dots(
    rows: Mapping[str, Mapping[str, Dots]],
    styles: Mapping[str, Style],
    signals: Mapping[str, str],
    quantity: Quantity,
) -> go.Figure:
    """Return a figure with a line for each of ``rows`` (label -> kind -> dots) and a panel for each of ``signals``.

    ``signals`` maps names to titles. The first kind has filled symbols, the second one hollow symbols. Thin bars show
    the uncertainty from the test sample, thick bars the standard deviation over networks.

    Raises:
        ValueError: nothing to show.
    """
    if not rows or not signals:
        raise ValueError("no dots to show: give at least one row and one signal")
    figure = make_subplots(
        rows=1, cols=len(signals), shared_yaxes=True, horizontal_spacing=0.012, column_titles=list(signals.values())
    )
    kinds = list(dict.fromkeys(kind for found in rows.values() for kind in found))
    labels = list(rows)
    ends: list[float] = []
    for column, signal in enumerate(signals, start=1):
        for at, kind in enumerate(kinds):
            here = [(label, *rows[label][kind][signal]) for label in labels if signal in rows[label].get(kind, {})]
            shift = 0.17 * (1 - 2 * at)
            places = [labels.index(label) - shift for label, _, _ in here]
            colours = [styles[label].colour for label, _, _ in here]
            for trace in _traces(kind, places, colours, [value for _, value, _ in here], [d for *_, d in here], at):
                figure.add_trace(trace.update(showlegend=bool(trace.showlegend) and column == 1), row=1, col=column)
            ends += [end for _, value, _ in here for end in (value.value - value.down, value.value + value.up)]
        if quantity.chance is not None:
            dotted = {"dash": "dot", "width": 1, "color": GREY}
            figure.add_vline(x=quantity.chance, line=dotted, row=1, col=column)
    low, high = max(min(ends), 0.5), max(ends)
    figure.update_xaxes(theme.log_axis(0.85 * low, 1.2 * high) if quantity.log else {})
    figure.update_xaxes(tickangle=0, tickfont={"size": 12})
    names = {"tickvals": list(range(len(labels))), "ticktext": labels, "range": [len(labels) - 0.4, -0.6]}
    figure.update_yaxes(names, gridcolor=theme.SHADE)
    figure = theme.apply_template(figure, 120 + 27 * len(labels))
    figure.add_annotation(text=str(quantity.title), x=0.5, y=0, yshift=-42, xref="paper", yref="paper", showarrow=False)
    return figure.update_layout(margin={"l": 190, "b": 62})


def _traces(
    kind: str,
    places: Sequence[float],
    colours: Sequence[str],
    values: Sequence[Measurement],
    deviations: Sequence[float | None],
    at: int,
) -> list[go.Scatter]:
    """Return the points with thin error bars of the test sample, and the thick error bars of the networks."""
    x = [value.value for value in values]
    thick = go.Scatter(
        x=[end for number, d in zip(x, deviations, strict=True) for end in [*_ends(number, d), None]],
        y=[end for place in places for end in (place, place, None)],
        mode="lines",
        line={"color": "rgba(90,90,90,0.45)", "width": 6},
        legendgroup=kind,
        showlegend=False,
        hoverinfo="skip",
    )
    symbols = ["arrow-right" if value.bound else "circle" if at == 0 else "circle-open" for value in values]
    points = go.Scatter(
        x=x,
        y=list(places),
        error_x={
            "type": "data",
            "symmetric": False,
            "array": [value.up for value in values],
            "arrayminus": [value.down for value in values],
            "thickness": 1.2,
            "width": 0,
            "color": theme.DARK_GREY,
        },
        mode="markers",
        name=kind,
        legendgroup=kind,
        showlegend=True,
        marker={"color": list(colours), "size": 9, "symbol": symbols, "line": {"width": 2, "color": list(colours)}},
        text=[str(value) for value in values],
        hovertemplate="%{text}<extra>" + kind + "</extra>",
    )
    return [thick, points]


def _ends(number: float, deviation: float | None) -> list[float | None]:
    return [None, None] if deviation is None else [max(number - deviation, 1e-3), number + deviation]
