"""Figures of the scores of jets: their distributions, and their dependence on observables of the jets."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray
from plotly.subplots import make_subplots

from darkclr_ray.detectors.display import GREY, Style
from darkclr_ray.evaluation.histograms import Histogram, Profile
from darkclr_ray.reports import styles as theme
from darkclr_ray.study.score_statistics import ScoreHistograms, ScoreMap

COLUMNS = 2
"""Number of histograms side by side."""

COUNTS = [
    [at, Style(GREY).faded(opacity)] for at, opacity in ((0, 0), (0.002, 0.12), (0.02, 0.25), (0.2, 0.5), (1, 0.9))
]
"""Colours of counts of jets, from none to the largest; the steps are about those of a logarithm."""


@dataclass(frozen=True)
class Sample:
    """Label and style of the jets of one sample."""

    label: str
    style: Style


def histograms(panels: Mapping[str, ScoreHistograms], samples: Mapping[str, Sample]) -> go.Figure:
    """Return a figure with a panel for each detector (label -> histograms): shares of jets per bin of the score.

    Raises:
        ValueError: no detector.
    """
    if not panels:
        raise ValueError("no score to show: give at least one detector")
    columns = min(COLUMNS, len(panels))
    rows = math.ceil(len(panels) / columns)
    figure = make_subplots(
        rows=rows,
        cols=columns,
        subplot_titles=list(panels),
        horizontal_spacing=0.07,
        vertical_spacing=0.32 / rows,
    )
    for at, found in enumerate(panels.values()):
        where = {"row": at // columns + 1, "col": at % columns + 1}
        for name, one in found.samples.items():
            figure.add_trace(_steps(one, found, samples[name]).update(showlegend=at == 0), **where)
        figure.update_xaxes(_score_axis(found.scale.log), title_text="score", **where)
    _share_axes(figure)
    figure.update_yaxes(title_text="share of jets per bin", col=1)
    figure.update_annotations(font_size=14)
    return theme.apply_template(figure, 90 + 290 * rows)


def histogram_menu(panels: Mapping[str, ScoreHistograms], samples: Mapping[str, Sample]) -> go.Figure:
    """Return a figure like `histograms` with one panel, whose menu chooses the detector; the first is in print.

    Raises:
        ValueError: no detector.
    """
    if not panels:
        raise ValueError("no score to show: give at least one detector")
    figure = go.Figure()
    for at, found in enumerate(panels.values()):
        for name, one in found.samples.items():
            figure.add_trace(_steps(one, found, samples[name]).update(visible=at == 0))
    axes = [{f"xaxis.{key}": value for key, value in _score_axis(one.scale.log).items()} for one in panels.values()]
    _add_menu(figure, list(panels), [len(one.samples) for one in panels.values()], axes)
    figure.update_xaxes(_score_axis(next(iter(panels.values())).scale.log), title_text="score")
    _share_axes(figure)
    figure.update_yaxes(title_text="share of jets per bin")
    return theme.apply_template(figure, 380)


def score_maps(
    panels: Mapping[str, Mapping[str, ScoreMap]], titles: Mapping[str, str], samples: Mapping[str, Sample]
) -> go.Figure:
    """Return a figure of scores against observables: the background's jets, and the means of all samples.

    Each observable of ``titles`` (name -> title of its axis) is a panel; a menu chooses one of ``panels`` (label of a
    detector -> observable -> map), of which the first is in print.

    Raises:
        ValueError: no detector.
    """
    if not panels:
        raise ValueError("no score to show: give at least one detector")
    figure = make_subplots(rows=1, cols=len(titles), shared_yaxes=True, horizontal_spacing=0.02)
    axes: list[dict[str, Any]] = []
    for at, maps in enumerate(panels.values()):
        for column, observable in enumerate(titles, start=1):
            one, shown = maps[observable], {"visible": at == 0, "row": 1, "col": column}
            for trace in _map_traces(one, samples, legend=column == 1):
                figure.add_trace(trace.update(visible=shown["visible"]), row=1, col=column)
        first = next(iter(maps.values()))
        axes.append(_map_axis(first))
    for column, title in enumerate(titles.values(), start=1):
        figure.update_xaxes(title_text=title, row=1, col=column)
    traces = [sum(1 + len(one.profiles) for one in maps.values()) for maps in panels.values()]
    changes = [
        {f"yaxis{'' if at == 0 else at + 1}.{key}": value for at in range(len(titles)) for key, value in axis.items()}
        for axis in axes
    ]
    _add_menu(figure, list(panels), traces, changes)
    figure.update_yaxes(axes[0])
    figure.update_yaxes(title_text="score", row=1, col=1)
    return theme.apply_template(figure, 430)


def _steps(one: Histogram, found: ScoreHistograms, sample: Sample) -> go.Scatter:
    centres = found.scale.inverse((one.edges[:-1] + one.edges[1:]) / 2)
    share = np.where(one.share > 0.0, one.share, np.nan)
    return go.Scatter(
        x=centres.astype(np.float32),
        y=share.astype(np.float32),
        error_y={"array": one.error.astype(np.float32), "thickness": 1, "width": 0},
        mode="lines",
        name=sample.label,
        legendgroup=sample.label,
        line={"shape": "hvh", "color": sample.style.colour, "dash": sample.style.dash, "width": 1.6},
    )


def _score_axis(log: bool) -> dict[str, Any]:
    return (
        {"type": "log", "exponentformat": "power", "dtick": 1, "tickfont": {"size": 12}}
        if log
        else {"type": "linear", "dtick": None}
    )


def _share_axes(figure: go.Figure) -> None:
    figure.update_yaxes(type="log", dtick=1, range=[-3.6, -0.2], tickformat=".1~%")


def _map_traces(one: ScoreMap, samples: Mapping[str, Sample], *, legend: bool) -> list[go.Heatmap | go.Scatter]:
    jets = go.Heatmap(
        x=one.x.astype(np.float32),
        y=one.scale.inverse(one.y).astype(np.float32),
        z=one.counts.astype(np.min_scalar_type(int(one.counts.max()))),
        colorscale=COUNTS,
        showscale=False,
        hovertemplate="%{z} background jets<extra></extra>",
    )
    return [jets, *(_profile(mean, one, samples[name], legend) for name, mean in one.profiles.items())]


def _profile(mean: Profile, one: ScoreMap, sample: Sample, legend: bool) -> go.Scatter:
    middle, low, high = (one.scale.inverse(mean.mean + sign * mean.error) for sign in (0, -1, 1))
    return go.Scatter(
        x=mean.centres.astype(np.float32),
        y=middle.astype(np.float32),
        error_y={
            "array": (high - middle).astype(np.float32),
            "arrayminus": (middle - low).astype(np.float32),
            "thickness": 1.2,
            "width": 0,
        },
        mode="lines+markers",
        name=sample.label,
        legendgroup=sample.label,
        showlegend=legend,
        marker={"symbol": sample.style.symbol},
        line={"color": sample.style.colour, "dash": sample.style.dash},
    )


def _map_axis(one: ScoreMap) -> dict[str, Any]:
    ends: NDArray[np.float64] = one.y[[0, -1]]
    return {**_score_axis(one.scale.log), "range": ends.tolist()}


def _add_menu(
    figure: go.Figure, labels: Sequence[str], traces: Sequence[int], layouts: Sequence[Mapping[str, Any]]
) -> None:
    """Add a menu whose entries show the traces of one label (the given number of them, in order) and change axes."""
    if len(labels) < 2:
        return
    buttons = []
    for at, label in enumerate(labels):
        visible = [other == at for other, count in enumerate(traces) for _ in range(count)]
        buttons.append({"label": label, "method": "update", "args": [{"visible": visible}, dict(layouts[at])]})
    menu = {"buttons": buttons, "x": 1, "xanchor": "right", "y": 1.01, "yanchor": "bottom", "bgcolor": "white"}
    figure.update_layout(updatemenus=[menu])
