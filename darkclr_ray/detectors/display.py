"""How reports show a detector: its label, its phrase in a sentence, its plotting style, and its place in tables.

The colours are those of Okabe and Ito (2008), which colour-blind readers can distinguish, and, where these do not
suffice, the dark ones of Tol (2021). Detectors of one family share a colour and differ in dash and symbol.
"""

from __future__ import annotations

from dataclasses import dataclass

BLACK, ORANGE, SKY, GREEN = "#000000", "#E69F00", "#56B4E9", "#009E73"
BLUE, VERMILLION, PURPLE = "#0072B2", "#D55E00", "#CC79A7"  # yellow is omitted: it is invisible on white
INDIGO, WINE, OLIVE, BROWN = "#332288", "#882255", "#999933", "#661100"
GREY = "#7A7A7A"


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


@dataclass(frozen=True)
class Display:
    """Display of a detector in reports.

    Attributes:
        label: label in legends and tables, as HTML.
        style: style of its curves; each detector has its own.
        order: position in tables and legends, ascending; detectors of users are at `USERS`.
        prominent: whether figures show the detector if they cannot show all.
        phrase: name within a sentence, as HTML; empty for the label.
    """

    label: str
    style: Style
    order: int
    prominent: bool = False
    phrase: str = ""


USERS = 25
"""Position of users' detectors: after those of DarkCLR."""
