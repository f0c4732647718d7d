"""Plotting styles: one style (colour, dash and symbol) for each detector and signal, and one plotly template.

The colours are those of Okabe and Ito (2008), which colour-blind readers can distinguish, and, where these do not
suffice, the dark ones of Tol (2021). Methods of one family share a colour and differ in dash and symbol.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import plotly.graph_objects as go

BLACK, ORANGE, SKY, GREEN = "#000000", "#E69F00", "#56B4E9", "#009E73"
BLUE, VERMILLION, PURPLE = "#0072B2", "#D55E00", "#CC79A7"  # yellow is omitted: it is invisible on white
INDIGO, WINE, OLIVE, BROWN = "#332288", "#882255", "#999933", "#661100"
GREY = "#7A7A7A"
INK = "#1A1A1A"
FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, sans-serif"
WIDTH = 1080
"""Width of a figure in pixels, which fits on a laptop screen and is scaled to the width of an A4 page in print."""


@dataclass(frozen=True)
class Style:
    """Colour (hex), line dash and marker symbol of a curve, in plotly's notation."""

    colour: str
    dash: str = "solid"
    symbol: str = "circle"

    def faded(self, opacity: float) -> str:
        """Return the colour as rgba with ``opacity`` in [0, 1].

        >>> Style("#0072B2").faded(0.2)
        'rgba(0,114,178,0.2)'
        """
        red, green, blue = (int(self.colour[at : at + 2], 16) for at in (1, 3, 5))
        return f"rgba({red},{green},{blue},{opacity:g})"


DETECTORS: dict[str, Style] = {
    "views_observables": Style(BROWN, "solid", "star-diamond"),
    "views_ranks": Style(BROWN, "dash", "diamond-wide"),
    "views_trees": Style(BROWN, "dot", "star-triangle-up"),
    "views_classifier": Style(VERMILLION, "solid", "diamond"),
    "s_NAE": Style(BLUE),
    "s_CLR": Style(SKY, "longdash", "square"),
    "s_AE": Style(INDIGO, "dashdot", "hexagon"),
    "mahalanobis": Style(SKY, "dot", "square-open"),
    "neighbours": Style(SKY, "dashdot", "square-cross"),
    "JetCLR s_NAE": Style(PURPLE, "longdash", "pentagon"),
    "JetCLR s_CLR": Style(PURPLE, "dot", "pentagon-open"),
    "wnae": Style(INDIGO, "dot", "hexagon-open"),
    "wnae_observables": Style(OLIVE, "solid", "hexagon2"),
    "ae_observables": Style(OLIVE, "dashdot", "hexagon2-open"),
    "image_nae": Style(GREEN, "solid", "square-x"),
    "image_ae": Style(GREEN, "dashdot", "square-x-open"),
    "dvae_reconstruction": Style(PURPLE, "solid", "diamond-tall"),
    "dvae_prior": Style(PURPLE, "dash", "diamond-tall-open"),
    "dvae_density": Style(PURPLE, "dashdot", "diamond-cross"),
    "inn": Style(ORANGE, "solid", "star-triangle-down"),
    "inn_cube_root": Style(ORANGE, "dashdot", "star-triangle-down-open"),
    "inn_linear": Style(ORANGE, "longdashdot", "triangle-left"),
    "inn_latent": Style(ORANGE, "dot", "triangle-left-open"),
    "kmeans_images": Style(GREEN, "dot", "circle-x"),
    "raw_nae": Style(BROWN, "dashdot", "hourglass"),
    "isolation_forest": Style(GREY, "dash", "star-square"),
    "untrained views_classifier": Style(ORANGE, "dash", "cross"),
    "untrained s_NAE": Style(ORANGE, "dot", "x"),
    "untrained s_CLR": Style(ORANGE, "longdash", "x-thin-open"),
    "multiplicity": Style(GREEN, "dash", "triangle-up"),
    "jet_mass": Style(OLIVE, "dot", "triangle-down"),
    "jet_pt": Style(GREY, "dot", "triangle-right"),
    "supervised": Style(WINE, "longdashdot", "star"),
    "boosted_trees": Style(WINE, "dot", "star-open"),
    "supervised_observables": Style(WINE, "dash", "star-diamond-open"),
    "paper": Style(BLACK, "longdash", "diamond-open"),
    "paper supervised": Style(BLACK, "dot", "star-triangle-up-open"),
    "linear head": Style(INDIGO, "solid", "circle"),
    "linear pooled": Style(VERMILLION, "dash", "square"),
    "linear constituents": Style(GREY, "dot", "triangle-up"),
}
"""Styles of the built-in detectors, in the order of tables and legends, including the paper's published numbers and
linear classifiers."""

PROMINENT = (
    "views_observables",
    "views_classifier",
    "s_NAE",
    "JetCLR s_NAE",
    "untrained views_classifier",
    "multiplicity",
    "supervised",
)
"""Detectors that a figure shows if it cannot show all."""

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

    A detector without a style in `DETECTORS` gets one that is computed from its name, so that it is the same on every
    page. If two names of one list get the same style, the second one gets the next free style.

    >>> detector_styles(["s_NAE", "mine"])["mine"] == detector_styles(["mine", "other"])["mine"]
    True
    """
    styles = {name: DETECTORS[name] for name in names if name in DETECTORS}
    for name in names:
        if name not in styles:
            first = int.from_bytes(hashlib.blake2b(name.encode(), digest_size=4).digest()) % len(_SPARE)
            spare = [*_SPARE[first:], *_SPARE[:first]]
            styles[name] = next((style for style in spare if style not in styles.values()), spare[0])
    return styles


def signal_styles(names: Sequence[str]) -> dict[str, Style]:
    """Return a style for each signal: that of `SIGNALS`, else a spare one, which is the same for the same names."""
    others = sorted(set(names) - set(SIGNALS))
    spare = {name: _SPARE[at % len(_SPARE)] for at, name in enumerate(others)}
    return {name: SIGNALS.get(name) or spare[name] for name in names}


def in_order(names: Iterable[str]) -> list[str]:
    """Return detectors in the order of tables and legends: that of `DETECTORS`, with the user's own after "s_AE".

    >>> in_order(["supervised", "mine", "s_NAE"])
    ['s_NAE', 'mine', 'supervised']
    """
    places = {name: float(at) for at, name in enumerate(DETECTORS)}
    return sorted(names, key=lambda name: places.get(name, places["s_AE"] + 0.5))


def _template() -> go.layout.Template:
    axis = {
        "showline": True,
        "linecolor": INK,
        "linewidth": 1,
        "mirror": True,
        "ticks": "inside",
        "ticklen": 5,
        "gridcolor": "#E8E8E8",
        "zeroline": False,
        "automargin": True,
        "title": {"standoff": 8, "font": {"size": 14}},
        "tickfont": {"size": 12.5},
    }
    return go.layout.Template(
        layout={
            "font": {"family": FONT, "size": 14, "color": INK},
            "paper_bgcolor": "white",
            "plot_bgcolor": "white",
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
            "modebar": {"orientation": "v", "bgcolor": "rgba(255,255,255,0.85)"},
            "hoverlabel": {"font": {"family": FONT, "size": 13}},
        }
    )


TEMPLATE = _template()


def apply_template(figure: go.Figure, height: int) -> go.Figure:
    """Apply this project's template and size to a figure and return it."""
    return figure.update_layout(template=TEMPLATE, width=WIDTH, height=height, autosize=False)


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
