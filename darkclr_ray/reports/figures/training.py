"""Figures of training curves: the encoder's loss and similarities, the autoencoder's energies and Langevin chains."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import plotly.graph_objects as go
from markupsafe import escape
from plotly.subplots import make_subplots

from darkclr_ray.detectors.display import BLACK, BLUE, GREEN, GREY, PURPLE, VERMILLION, Style
from darkclr_ray.reports import styles as theme

Epochs = Sequence[Mapping[str, Any]]
"""Records of a stage's history, one per epoch."""

Panels = Mapping[str, Mapping[str, tuple[str, Style]]]
"""Mapping from the title of a panel and a key in the history to the name and the style of the curve."""

_ENCODER: Panels = {
    "loss": {
        "loss": ("training", Style(BLACK)),
        "validation_loss": ("validation", Style(GREY, "dash")),
    },
    "cosine similarity to the anchor": {
        "similarity_positive": ("positive view", Style(BLUE)),
        "similarity_anomalous": ("anomalous view", Style(VERMILLION, "dash")),
    },
    "effective rank of z": {"effective_rank": ("effective rank", Style(PURPLE, "longdash"))},
    "mean norm of the background": {"norm_background": ("norm", Style(GREEN, "dashdot"))},
}

_ENERGY: Panels = {
    "energy per dimension": {
        "energy_data": ("E₊ (data)", Style(BLUE)),
        "energy_chain": ("E₋ (ends of chains)", Style(VERMILLION, "dash")),
    },
    "E₊ − E₋": {"energy_difference": ("E₊ − E₋", Style(BLACK))},
    "displacement / spread of data": {"displacement": ("displacement", Style(GREEN, "dashdot"))},
    "acceptance": {"acceptance": ("acceptance", Style(PURPLE, "longdash"))},
}
_DISPLACEMENT, _ACCEPTANCE = 3, 4


def encoder_training(epochs: Epochs, height: int = 330) -> go.Figure:
    """Return a figure of loss, similarities and norm of the background against the epoch.

    Quantities that the history lacks are left out. Red crosses are epochs with a warning.
    """
    figure = _curves(epochs, _ENCODER, height)
    return _with_warnings(figure, epochs, "loss", column=1)


def energy_training(epochs: Epochs, kept: int | None = None, height: int = 330) -> go.Figure:
    """Return a figure of energies, their difference, and displacement and acceptance of the Langevin chains.

    The grey area is the pre-training by reconstruction; the vertical line is the epoch ``kept``. Red crosses are epochs
    with a warning.
    """
    figure = _curves(epochs, _ENERGY, height)
    figure.update_yaxes(type="log", exponentformat="power", dtick=1, row=1, col=1)
    figure.update_yaxes(rangemode="tozero", row=1, col=2)
    figure.update_yaxes(rangemode="tozero", row=1, col=_DISPLACEMENT)
    figure.update_yaxes(range=[0, 1], row=1, col=_ACCEPTANCE)
    reconstruction = [line["epoch"] for line in epochs if line.get("phase") == "reconstruction"]
    if reconstruction:
        area = {"x0": min(reconstruction), "x1": max(reconstruction), "fillcolor": theme.SHADE, "line_width": 0}
        figure.add_vrect(**area, layer="below", row=1, col="all")
    if kept is not None:
        figure.add_vline(x=kept, line={"width": 1.5, "color": GREY, "dash": "dot"}, row=1, col="all")
    return _with_warnings(figure, epochs, "displacement", column=_DISPLACEMENT)


def _with_warnings(figure: go.Figure, epochs: Epochs, key: str, column: int) -> go.Figure:
    warned = [line for line in epochs if line.get("warning")]
    if warned:
        trace = go.Scatter(
            x=[line["epoch"] for line in warned],
            y=[line.get(key) for line in warned],
            mode="markers",
            name="warning",
            marker={"symbol": "x", "size": 9, "color": VERMILLION},
            text=[str(escape(str(line["warning"]))) for line in warned],
            hovertemplate="epoch %{x}: %{text}<extra></extra>",
        )
        figure.add_trace(trace, row=1, col=column)
    return figure


def _curves(epochs: Epochs, panels: Panels, height: int) -> go.Figure:
    figure = make_subplots(rows=1, cols=len(panels), horizontal_spacing=0.06, subplot_titles=list(panels))
    for column, curves in enumerate(panels.values(), start=1):
        for key, (name, style) in curves.items():
            known = [(line["epoch"], line[key]) for line in epochs if line.get(key) is not None]
            if known:
                x, y = zip(*known, strict=True)
                trace = _line(x, y, name, style).update(showlegend=len(curves) > 1)
                figure.add_trace(trace, row=1, col=column)
    figure.update_annotations(font_size=14)
    figure.update_xaxes(title_text="epoch")
    return theme.apply_template(figure, height)


def _line(x: Sequence[int], y: Sequence[float], name: str, style: Style) -> go.Scatter:
    return go.Scatter(
        x=x,
        y=y,
        name=name,
        mode="lines+markers" if len(x) <= 40 else "lines",
        line={"color": style.colour, "dash": style.dash, "width": 2},
        marker={"size": 5},
        hovertemplate="epoch %{x}: %{y:.4g}<extra>%{fullData.name}</extra>",
    )
