"""Figure of representations of jets along their first two principal components."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from darkclr_ray.reports import styles as theme
from darkclr_ray.reports.figures.scores import Sample
from darkclr_ray.study.records import LayerRecord

SHOWN = (0.005, 0.995)
"""Quantiles of the coordinates of all jets at which an axis ends, so that a few outliers do not determine its range."""


def representations(layers: Mapping[str, LayerRecord], samples: Mapping[str, Sample]) -> go.Figure:
    """Return a figure with a panel for each of ``layers`` (title -> record), with a point for each jet.

    Raises:
        ValueError: no layer.
    """
    if not layers:
        raise ValueError("no representation to show: give at least one layer")
    figure = make_subplots(rows=1, cols=len(layers), subplot_titles=list(layers), horizontal_spacing=0.08)
    for column, layer in enumerate(layers.values(), start=1):
        for name, places in layer.samples.items():
            figure.add_trace(_points(places.x, places.y, samples[name], legend=column == 1), row=1, col=column)
        along = [np.concatenate([getattr(one, axis) for one in layer.samples.values()]) for axis in ("x", "y")]
        titles = [f"component {number} ({share:.1%})" for number, share in enumerate(layer.shares, start=1)]
        figure.update_xaxes(title_text=titles[0], range=_range(along[0]), row=1, col=column)
        figure.update_yaxes(title_text=titles[1], range=_range(along[1]), row=1, col=column)
    figure.update_annotations(font_size=14)
    return theme.apply_template(figure, 490).update_layout(margin={"t": 84})


def _range(values: Any) -> list[float]:
    low, high = np.quantile(values, SHOWN)
    margin = 0.05 * (high - low) or 0.5
    return [float(low - margin), float(high + margin)]


def _points(x: list[float], y: list[float], sample: Sample, legend: bool) -> go.Scatter:
    return go.Scatter(
        x=np.asarray(x, dtype=np.float32),
        y=np.asarray(y, dtype=np.float32),
        mode="markers",
        name=sample.label,
        legendgroup=sample.label,
        showlegend=legend,
        marker={"color": sample.style.faded(0.5), "symbol": sample.style.symbol, "size": 5},
        hoverinfo="name",
    )
