"""Figure of ROC curves: background rejection against signal efficiency, with bands and chance line (Figs. 3 and 4)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray
from plotly.subplots import make_subplots

from darkclr_ray.detectors.display import GREY, Style
from darkclr_ray.reports import styles as theme
from darkclr_ray.reports.labels import EPS_B, EPS_S


@dataclass(frozen=True)
class Roc:
    """One ROC curve: eps_S (P,) in (0, 1], 1/eps_B (P,) and the edges of its band (P,); nan for unknown values.

    A curve without a band is hidden until it is chosen in the legend.
    """

    label: str
    style: Style
    eps_s: NDArray[np.float64]
    rejection: NDArray[np.float64]
    low: NDArray[np.float64] | None = None
    high: NDArray[np.float64] | None = None


def roc_curves(panels: Mapping[str, Sequence[Roc]], *, eps_s: float = 0.2, height: int = 480) -> go.Figure:
    """Return a figure with a panel for each of ``panels`` (title -> curves), which share one log axis.

    A thin vertical line marks ``eps_s``.

    Raises:
        ValueError: no panel.
    """
    if not panels:
        raise ValueError("no ROC curve to show: give at least one panel")
    figure = make_subplots(
        rows=1, cols=len(panels), shared_yaxes=True, horizontal_spacing=0.02, column_titles=list(panels)
    )
    named: set[str] = set()
    for column, curves in enumerate(panels.values(), start=1):
        for curve in curves:
            if curve.low is not None and curve.high is not None:
                figure.add_trace(_band(curve, curve.low, curve.high), row=1, col=column)
            line = _line(curve).update(showlegend=curve.label not in named)
            figure.add_trace(line, row=1, col=column)
            named.add(curve.label)
        figure.add_trace(_chance(show=column == 1), row=1, col=column)
        figure.add_vline(x=eps_s, line={"width": 1, "color": GREY}, row=1, col=column)
    figure.update_xaxes(range=[0, 1], title_text=f"signal efficiency {EPS_S}")
    figure.update_yaxes(theme.log_axis(1, _top([c for curves in panels.values() for c in curves])))
    figure.update_yaxes(title_text=f"background rejection 1/{EPS_B}", row=1, col=1)
    return theme.apply_template(figure, height)


def _band(curve: Roc, lower: NDArray[np.float64], upper: NDArray[np.float64]) -> go.Scatter:
    known = np.isfinite(lower) & np.isfinite(upper)
    x, low, high = curve.eps_s[known], lower[known], upper[known]
    return go.Scatter(
        x=np.concatenate([x, x[::-1]]).astype(np.float32),
        y=np.concatenate([high, low[::-1]]).astype(np.float32),
        fill="toself",
        fillcolor=curve.style.faded(0.18),
        line={"width": 0},
        hoverinfo="skip",
        legendgroup=curve.label,
        showlegend=False,
    )


def _line(curve: Roc) -> go.Scatter:
    return go.Scatter(
        x=curve.eps_s.astype(np.float32),
        y=curve.rejection.astype(np.float32),
        mode="lines",
        visible="legendonly" if curve.low is None else True,
        name=curve.label,
        legendgroup=curve.label,
        line={"color": curve.style.colour, "dash": curve.style.dash, "width": 2},
        hovertemplate=f"{EPS_S} = %{{x:.3f}}, 1/{EPS_B} = %{{y:.3g}}<extra>%{{fullData.name}}</extra>",
    )


def _chance(show: bool) -> go.Scatter:
    x = np.geomspace(1e-3, 1, 60)
    return go.Scatter(
        x=x,
        y=1 / x,
        mode="lines",
        name="chance",
        legendgroup="chance",
        showlegend=show,
        line={"color": GREY, "dash": "dot", "width": 1.5},
        hoverinfo="skip",
    )


def _top(curves: Sequence[Roc]) -> float:
    """Return the upper end of the axis, which shows all curves from eps_S = 0.02; below it only a few jets survive."""
    tops = [np.nanmax(curve.rejection[curve.eps_s >= 0.02], initial=100.0) for curve in curves]
    return float(1.5 * max([100.0, *tops]))
