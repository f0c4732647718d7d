"""A number with its interval, and how it is written."""

from __future__ import annotations

import math
from dataclasses import dataclass

from markupsafe import Markup, escape


@dataclass(frozen=True)
class Measurement:
    """A number with an interval. Where no background jet survived, ``bound`` is true and ``value`` a lower bound.
    ``note`` is shown small beside it in tables.

    >>> str(Measurement(38.24, 35.1, 42.0)), str(Measurement(120.0, bound=True))
    ('38.2 +3.8 −3.1', '> 120')
    """

    value: float
    low: float = math.nan
    high: float = math.nan
    bound: bool = False
    note: str = ""

    @property
    def up(self) -> float:
        """Length of the error bar upwards; 0 where there is none."""
        return max(self.high - self.value, 0.0) if math.isfinite(self.high) else 0.0

    @property
    def down(self) -> float:
        """Length of the error bar downwards; 0 where there is none."""
        return max(self.value - self.low, 0.0) if math.isfinite(self.low) else 0.0

    def __str__(self) -> str:
        if self.bound:
            return f"> {plain(self.value)}"
        places = decimals(self.value)
        text = f"{self.value:,.{places}f}"
        if math.isfinite(self.low) and math.isfinite(self.high):
            text += f" +{self.up:.{places}f} −{self.down:.{places}f}"
        elif math.isfinite(self.low):
            text += f" (> {self.low:,.{places}f})"
        return text

    def __html__(self) -> str:
        """The number with its errors small and without leading zeros, one above the other, and its note below."""
        number, *errors = str(self).replace("> ", ">\u00a0").split(" ")
        errors = [error.replace("+0.", "+.").replace("−0.", "−.") for error in errors]
        html = escape(number)
        if errors:
            html += Markup(' <span class="errors">{}</span>').format(
                Markup("").join(Markup("<span>{}</span>").format(error) for error in errors)
            )
        return str(html + Markup('<br><span class="note">{}</span>').format(self.note) if self.note else html)


def decimals(value: float) -> int:
    """Digits after the point that show a number with three figures, at most three.

    >>> [decimals(x) for x in (0.75, 5.21, 38.2, 120.4)]
    [3, 2, 1, 0]
    """
    size = abs(value)
    return 3 if size < 1 else 2 if size < 10 else 1 if size < 100 else 0


def plain(value: float) -> str:
    """A number with three figures.

    >>> plain(38.24), plain(1234.5), plain(float("nan"))
    ('38.2', '1,234', 'n/a')
    """
    return f"{value:,.{decimals(value)}f}" if math.isfinite(value) else "n/a"


def or_nan(number: float | None) -> float:
    """The number; nan for an end of an interval that is open.

    >>> or_nan(None), or_nan(2.0)
    (nan, 2.0)
    """
    return math.nan if number is None else number
