"""Plotting styles of detectors and signals, and one plotly template for all figures."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Sequence

import plotly.graph_objects as go

from darkclr_ray.detectors.display import (
    BLACK,
    BLUE,
    BROWN,
    GREEN,
    GREY,
    INDIGO,
    ORANGE,
    PURPLE,
    SKY,
    VERMILLION,
    WINE,
    Style,
)
from darkclr_ray.study.display import display_of, in_order
from darkclr_ray.study.results import StudyResults

INK, DARK_GREY, SHADE = "#1A1A1A", "#444444", "#F1F1F1"
FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, sans-serif"
WIDTH = 1080
"""Width of a figure in pixels, which fits on a laptop screen and is scaled to the width of an A4 page in print."""


_SPARE = tuple(
    Style(colour, dash, symbol)
    for dash, symbol in (("dashdot", "bowtie"), ("longdash", "triangle-down-open"), ("dot", "bowtie-open"))
    for colour in (PURPLE, SKY, GREY, GREEN, ORANGE, BLUE, VERMILLION)
)

SIGNALS: dict[str, Style] = {
    "aachen": Style(BLACK, "solid", "circle"),
    "rinv_0.5": Style(ORANGE, "dash", "triangle-up"),
    "rinv_0.2": Style(VERMILLION, "dot", "triangle-down"),
    "mass_10": Style(SKY, "dashdot", "square"),
    "mass_20": Style(BLUE, "longdash", "diamond"),
}
"""Styles of the paper's signals: warm colours for variations of r_inv, cold ones for those of the meson mass."""


def detector_styles(names: Iterable[str]) -> dict[str, Style]:
    """Return a style for each detector.

    A user's detector gets a style that is computed from its name, so that it is the same on every page. If two names
    of one list get the same style, the second one gets the next free style.

    >>> detector_styles(["s_NAE", "mine"])["mine"] == detector_styles(["mine", "other"])["mine"]
    True
    """
    ordered = list(names)
    styles = {name: display.style for name in ordered if (display := display_of(name)) is not None}
    for name in ordered:
        if name not in styles:
            first = int.from_bytes(hashlib.blake2b(name.encode(), digest_size=4).digest()) % len(_SPARE)
            spare = [*_SPARE[first:], *_SPARE[:first]]
            styles[name] = next((style for style in spare if style not in styles.values()), spare[0])
    return styles


def styles_of(study: StudyResults) -> dict[str, Style]:
    """Return the styles of all detectors of a study."""
    return detector_styles(in_order({name for run in study.complete for name in run.test}))


def signal_styles(names: Sequence[str]) -> dict[str, Style]:
    """Return a style for each signal: that of `SIGNALS`, else a spare one, which is the same for the same names."""
    others = sorted(set(names) - set(SIGNALS))
    spare = {name: _SPARE[at % len(_SPARE)] for at, name in enumerate(others)}
    return {name: SIGNALS.get(name) or spare[name] for name in names}


def _template(ink: str, paper: str, grid: str) -> go.layout.Template:
    axis = {
        "showline": True,
        "linecolor": ink,
        "linewidth": 1,
        "mirror": True,
        "ticks": "inside",
        "ticklen": 5,
        "gridcolor": grid,
        "zeroline": False,
        "automargin": True,
        "title": {"standoff": 8, "font": {"size": 14}},
        "tickfont": {"size": 12.5},
    }
    return go.layout.Template(
        layout={
            "font": {"family": FONT, "size": 14, "color": ink},
            "paper_bgcolor": paper,
            "plot_bgcolor": paper,
            "colorway": [BLUE, VERMILLION, GREEN, ORANGE, PURPLE, SKY, BLACK],
            "xaxis": axis,
            "yaxis": axis,
            "legend": {
                "orientation": "h",
                "yref": "container",
                "yanchor": "top",
                "y": 0.995,
                "x": 0,
                "itemwidth": 44,
                "bgcolor": "rgba(0,0,0,0)",
            },
            "margin": {"l": 70, "r": 36, "t": 62, "b": 56},
            "modebar": {"orientation": "v", "bgcolor": "rgba(0,0,0,0)"},
            "hoverlabel": {"font": {"family": FONT, "size": 13}},
        },
        data={"scatter": [go.Scatter(marker={"line": {"color": paper}})]},
    )


GRID = "#E8E8E8"
TEMPLATES = {"light": _template(INK, "#FFFFFF", GRID), "dark": _template("#E4E6E8", "#16181B", "#33373C")}
"""Plotly templates of a light and of a dark page; the script of the page gives each figure one of them."""

_DARK = {
    INK: "#E4E6E8",
    BLACK: "#FFFFFF",
    INDIGO: "#8F85E6",
    WINE: "#D9629A",
    BROWN: "#CF7355",
    BLUE: "#3D97D3",
    SHADE: "#2A2E33",
    DARK_GREY: "#BBBBBB",
}


def _prefix(colour: str) -> str:
    """Return how a colour with any opacity begins: "rgba(0,0,0,"."""
    return Style(colour).faded(1).removesuffix("1)")


DARK_COLOURS = _DARK | {_prefix(light): _prefix(dark) for light, dark in _DARK.items()}
"""Mapping from colours that are hard to see on a dark page to those that a dark page shows instead."""


def apply_template(figure: go.Figure, height: int) -> go.Figure:
    """Apply this project's template and size to a figure and return it."""
    return figure.update_layout(template=TEMPLATES["light"], width=WIDTH, height=height, autosize=False)


def log_axis(low: float, high: float) -> dict[str, object]:
    """Return the settings of a log axis from ``low`` to ``high`` > 0 with plain numbers (1, 2, 5, 10, ...) as ticks.

    >>> log_axis(4, 60)["tickvals"]
    [5.0, 10.0, 20.0, 50.0]
    """
    first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
    decades = last - first
    steps = (1, 2, 5) if decades <= 3 else (1,)
    ticks = [m * 10.0**power for power in range(first, last + 1) for m in steps]
    ticks = [tick for tick in ticks if low * 0.999 <= tick <= high * 1.001]
    return {
        "type": "log",
        "range": [math.log10(low), math.log10(high)],
        "tickvals": ticks,
        "ticktext": [f"{tick:,.10g}" for tick in ticks],
    }
