"""A number with its interval, and its text form."""

from __future__ import annotations

import math
from dataclasses import dataclass

from markupsafe import Markup, escape


@dataclass(frozen=True)
class Measurement:
    """A number with an interval.

    If no background jet survived, ``bound`` is true and ``value`` is a lower bound. Tables show ``note`` in small type
    below the number.

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
        """Length of the upper error bar; 0 if there is none."""
        return max(self.high - self.value, 0.0) if math.isfinite(self.high) else 0.0

    @property
    def down(self) -> float:
        """Length of the lower error bar; 0 if there is none."""
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
        """Return HTML with the number, its stacked errors without leading zeros, and its note below."""
        number, *errors = str(self).replace("> ", ">\u00a0").split(" ")
        errors = [error.replace("+0.", "+.").replace("−0.", "−.") for error in errors]
        html = escape(number)
        if errors:
            html += Markup(' <span class="errors">{}</span>').format(
                Markup("").join(Markup("<span>{}</span>").format(error) for error in errors)
            )
        return str(html + Markup('<br><span class="note">{}</span>').format(self.note) if self.note else html)


def decimals(value: float) -> int:
    """Return the number of decimal places, at most three, that shows a number with three significant figures.

    >>> [decimals(x) for x in (0.75, 5.21, 38.2, 120.4)]
    [3, 2, 1, 0]
    """
    size = abs(value)
    return 3 if size < 1 else 2 if size < 10 else 1 if size < 100 else 0


def plain(value: float) -> str:
    """Return a number as text with three significant figures; "n/a" if it is not finite.

    >>> plain(38.24), plain(1234.5), plain(float("nan"))
    ('38.2', '1,234', 'n/a')
    """
    return f"{value:,.{decimals(value)}f}" if math.isfinite(value) else "n/a"


def or_nan(number: float | None) -> float:
    """Return the number; nan for None, which is an open end of an interval.

    >>> or_nan(None), or_nan(2.0)
    (nan, 2.0)
    """
    return math.nan if number is None else number
