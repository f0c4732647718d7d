"""Figure of one jet before and after each transformation: its constituents in the eta-phi plane (Fig. 1)."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

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
    """Return a figure of one jet with a panel for each view (name -> (n, 3): pT in GeV, eta, phi); see `panels`."""
    return panels({f"{view_title(name)} ({len(view)})": view for name, view in views.items()}, radius=radius)


def panels(
    shown: Mapping[str, NDArray[np.float32]], *, columns: int = COLUMNS, radius: float = 0.8, title_size: int = 16
) -> go.Figure:
    """Return a figure with a panel for each set of constituents (title -> (n, 3): pT in GeV, eta, phi).

    All panels share one scale. The area of a point increases with its pT; the circle is the jet's radius around its
    axis.

    Raises:
        ValueError: no panel.
    """
    if not shown:
        raise ValueError("no jet to show: give at least one view")
    columns = min(columns, len(shown))
    hardest = max(float(view[:, 0].max()) for view in shown.values())
    figure = plane(list(shown), columns, _reach(shown.values(), radius), radius)
    for at, view in enumerate(shown.values()):
        where = {"row": at // columns + 1, "col": at % columns + 1}
        figure.add_trace(_constituents(view, hardest), **where)
    ticks = (0.5, 1, 2, 5, 10, 20, 50, 100, 200)
    bar: dict[str, Any] = {"title": {"text": f"{P_T} [GeV]"}, "tickvals": [math.log10(at) for at in ticks]}
    bar |= {"ticktext": [f"{at:g}" for at in ticks], "thickness": 12, "len": 0.9, "y": 0.44}
    scale = {"cmin": math.log10(0.5), "cmax": math.log10(hardest), "colorscale": "Cividis", "colorbar": bar}
    figure.update_layout(coloraxis=scale)
    return figure.update_annotations(font_size=title_size)


def _reach(views: Iterable[NDArray[np.float32]], radius: float) -> float:
    return 1.08 * max(radius, *(float(np.abs(view[:, 1:]).max()) for view in views))


def plane(titles: Sequence[str], columns: int, reach: float, radius: float) -> go.Figure:
    """Return a figure with a square panel of the eta-phi plane for each title, in rows of ``columns``.

    A panel extends to ``reach`` on both axes; the circle is the jet's radius around its axis.
    """
    rows = math.ceil(len(titles) / columns)
    lines = [1 + max((title.count("<br>") for title in some), default=0) for some in (titles, titles[columns:])]
    gap, margin = 10 + 20 * lines[1], {"t": 22 + 20 * lines[0], "r": 90, "b": 56, "l": 84}
    side = (theme.WIDTH - margin["l"] - margin["r"]) * (1 - 0.015 * (columns - 1)) / columns
    inner = rows * side + (rows - 1) * gap
    figure = make_subplots(
        rows=rows,
        cols=columns,
        subplot_titles=titles,
        shared_xaxes=True,
        shared_yaxes=True,
        horizontal_spacing=0.015,
        vertical_spacing=gap / inner,
    )
    for at in range(len(titles)):
        row, column = at // columns + 1, at % columns + 1
        circle = {"x0": -radius, "x1": radius, "y0": -radius, "y1": radius}
        figure.add_shape(type="circle", **circle, line={"color": GREY, "dash": "dot", "width": 1}, row=row, col=column)
        if row == rows or at + columns >= len(titles):
            figure.update_xaxes(title_text="Δη", showticklabels=True, row=row, col=column)
        if column == 1:
            figure.update_yaxes(title_text="Δφ", row=row, col=column)
    figure.update_xaxes(range=[-reach, reach])
    figure.update_yaxes(range=[-reach, reach])
    return theme.apply_template(figure, int(inner + margin["t"] + margin["b"])).update_layout(
        margin=margin, showlegend=False
    )


def sizes(pt: NDArray[np.float32], hardest: float) -> dict[str, Any]:
    """Return the size of the points of constituents, whose area is in proportion to their pT (n,) in GeV."""
    return {"size": pt, "sizemode": "area", "sizeref": 2 * hardest / 30**2, "sizemin": 2.5}


def _constituents(view: NDArray[np.float32], hardest: float) -> go.Scatter:
    pt = view[:, 0]
    return go.Scatter(
        x=view[:, 1],
        y=view[:, 2],
        mode="markers",
        marker={
            **sizes(pt, hardest),
            "color": np.log10(pt),
            "coloraxis": "coloraxis",
            "opacity": 0.8,
            "line": {"width": 0.5, "color": "white"},
        },
        hovertemplate=f"{P_T} = %{{marker.size:.1f}} GeV<extra></extra>",
    )
