"""Figure of one jet before and after each transformation: its constituents in the eta-phi plane (Fig. 1)."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
import plotly.graph_objects as go
from markupsafe import escape
from numpy.typing import NDArray
from plotly.subplots import make_subplots

from darkclr_ray.detectors.display import GREY
from darkclr_ray.reports import styles as theme
from darkclr_ray.reports.labels import P_DROP, P_T

COLUMNS = 4


def view_title(name: str) -> str:
    """Return the title of the panel of a view.

    >>> view_title("rotation"), view_title("dropping_0.3")
    ('rotation', 'dropping, p<sub>drop</sub> = 0.3')
    """
    word, _, number = name.partition("_")
    try:
        return f"{escape(word)}, {P_DROP} = {float(number):g}"
    except ValueError:
        return str(escape(name.replace("_", " ")))


def jets(views: Mapping[str, NDArray[np.float32]], radius: float = 0.8) -> go.Figure:
    """Return a figure with a panel for each view (name -> (n, 3): pT in GeV, eta, phi).

    All panels share one scale. The area of a point increases with its pT; the circle is the jet's radius around its
    axis.

    Raises:
        ValueError: no view.
    """
    if not views:
        raise ValueError("no jet to show: give at least one view")
    columns = min(COLUMNS, len(views))
    rows = math.ceil(len(views) / columns)
    titles = [f"{view_title(name)} ({len(view)})" for name, view in views.items()]
    figure = make_subplots(
        rows=rows,
        cols=columns,
        subplot_titles=titles,
        shared_xaxes=True,
        shared_yaxes=True,
        horizontal_spacing=0.015,
        vertical_spacing=0.14 / rows,
    )
    hardest = max(float(view[:, 0].max()) for view in views.values())
    reach = 1.08 * max(radius, *(float(np.abs(view[:, 1:]).max()) for view in views.values()))
    for at, view in enumerate(views.values()):
        row, column = at // columns + 1, at % columns + 1
        figure.add_trace(_constituents(view, hardest, last=at == len(views) - 1), row=row, col=column)
        circle = {"x0": -radius, "x1": radius, "y0": -radius, "y1": radius}
        figure.add_shape(type="circle", **circle, line={"color": GREY, "dash": "dot", "width": 1}, row=row, col=column)
        if row == rows or at + columns >= len(views):
            figure.update_xaxes(title_text="Δη", showticklabels=True, row=row, col=column)
        if column == 1:
            figure.update_yaxes(title_text="Δφ", row=row, col=column)
    figure.update_xaxes(range=[-reach, reach])
    figure.update_yaxes(range=[-reach, reach])
    side = (theme.WIDTH - 170) / columns
    return theme.apply_template(figure, int(rows * side + 110)).update_layout(
        margin={"t": 40, "r": 90}, showlegend=False
    )


def _constituents(view: NDArray[np.float32], hardest: float, last: bool) -> go.Scatter:
    pt = view[:, 0].astype(float)
    return go.Scatter(
        x=view[:, 1],
        y=view[:, 2],
        mode="markers",
        marker={
            "size": 4 + 26 * np.sqrt(pt / hardest),
            "color": np.log10(pt),
            "cmin": math.log10(0.5),
            "cmax": math.log10(hardest),
            "colorscale": "Cividis",
            "opacity": 0.8,
            "line": {"width": 0.5, "color": "white"},
            "showscale": last,
            "colorbar": {
                "title": {"text": f"{P_T} [GeV]"},
                "tickvals": [math.log10(at) for at in (0.5, 1, 2, 5, 10, 20, 50, 100)],
                "ticktext": ["0.5", "1", "2", "5", "10", "20", "50", "100"],
                "thickness": 12,
                "len": 0.9,
                "y": 0.44,
            },
        },
        customdata=pt,
        hovertemplate=f"{P_T} = %{{customdata:.1f}} GeV<extra></extra>",
    )
