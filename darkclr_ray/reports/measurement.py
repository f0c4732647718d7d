"""A number with its interval, and its text form."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from markupsafe import Markup, escape

from darkclr_ray.evaluation.aggregate import Entry
from darkclr_ray.evaluation.paired import Ratio
from darkclr_ray.evaluation.published import AACHEN_AUC, REJECTION, Published
from darkclr_ray.evaluation.selection import MeanRejection


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
            html += Markup(" <small>{}</small>").format("\n".join(errors))
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


def noted(value: Measurement, deviation: float | None) -> Measurement:
    """Return the value with its standard deviation over networks as a note."""
    return value if deviation is None else replace(value, note=f"± {plain(deviation)}")


def rejection(entry: Entry) -> Measurement:
    """Return the mean rejection with the bootstrap interval of the test sample.

    Each replica of the bootstrap derives the threshold anew from the signal. The exact binomial interval assumes a
    fixed threshold and is therefore too short.
    """
    return Measurement(entry.rejection, entry.bootstrap_low, or_nan(entry.bootstrap_high), bound=entry.lower_bound)


def noted_rejection(entry: Entry) -> Measurement:
    """Return `rejection` with the standard deviation over networks as a note."""
    return noted(rejection(entry), entry.deviation)


def noted_area(entry: Entry) -> Measurement:
    """Return the area under the ROC curve: its interval for one network, else the deviation over networks as a note."""
    return noted(Measurement(entry.auc, or_nan(entry.auc_low), or_nan(entry.auc_high)), entry.auc_deviation)


def significance(entry: Entry) -> Measurement:
    """Return the significance improvement eps_S/sqrt(eps_B) with its interval."""
    value, low, high = entry.significance_improvement
    return Measurement(value, low, or_nan(high), bound=entry.lower_bound)


def blind_rejection(mean: MeanRejection | None) -> Measurement | None:
    """Return the rejection of background against anomalous views with its interval; None for None."""
    return None if mean is None else Measurement(mean.value, mean.low, or_nan(mean.high), bound=mean.lower_bound)


def ratio(half: Ratio) -> Measurement:
    """Return a ratio of rejections with its interval, marked if it is a bound."""
    return replace(bounded(half.ratio, half.bound), low=half.low, high=half.high)


def confident_ratio(half: Ratio) -> Measurement:
    """Return `ratio` with the confidence that it exceeds 1 as a note."""
    sure = half.confidence
    words = f"{sure:.1%}" if 0.001 < sure < 0.999 else ">99.9%" if sure > 0.5 else "<0.1%"
    value = ratio(half)
    return replace(value, note=f"{value.note} {words}".strip())


def bounded(value: float, bound: str | None) -> Measurement:
    """Return a ratio of rejections, marked as a bound where ``bound`` says so (see `paired.bound_of`)."""
    note = {"upper": "at most", "none": "no background survives either"}.get(bound or "", "")
    return Measurement(value, bound=bound == "lower", note=note)


def printed(number: Published) -> Measurement:
    """Return a published number with its standard deviation over networks as interval."""
    spread = number.deviation or math.nan
    return Measurement(number.value, number.value - spread, number.value + spread)


PAPER = {
    name: {signal: printed(number) for signal, number in REJECTION[method].items()}
    for name, method in (("paper", "DarkCLR"), ("paper supervised", "supervised"))
}
"""Rejections of the paper's Table 3 at eps_S = 0.2; intervals are its standard deviations over networks."""

PAPER_AREA = printed(AACHEN_AUC["DarkCLR"])
"""Area under the ROC curve of the paper's DarkCLR on the Aachen benchmark (Table 2)."""
