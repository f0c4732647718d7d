"""Section on the components of variance of a result: encoder seed, autoencoder seed and test sample."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from markupsafe import Markup

from darkclr_ray.reports import styles as theme
from darkclr_ray.reports.comparison import WEIGHTINGS
from darkclr_ray.reports.comparison_text import ending
from darkclr_ray.reports.labels import EPS_S, detector_label
from darkclr_ray.reports.page import Section
from darkclr_ray.reports.pivot import Row, pivot_table
from darkclr_ray.reports.runs import Comparison
from darkclr_ray.reports.tables import Table

PARTS = {
    "encoder": "encoder’s seed",
    "autoencoder": "autoencoder’s seed",
    "test_sample": "test sample",
    "interaction": "test sample × network",
}


def section(study: Comparison) -> list[Section]:
    """Return the section with standard deviations by their source; empty without such an analysis."""
    result = study.result("variance") or {}
    if not result:
        return []
    rows: list[Row] = []
    for detector in theme.in_order(result):
        label = study.methods[detector].label if detector in study.methods else detector_label(detector)
        for at, (part, words) in enumerate(PARTS.items()):
            cells = {
                (signal, weighting): Markup("{:.1%}").format(math.sqrt(max(sides[weighting][part], 0.0)))
                for signal, sides in result[detector].items()
                if signal in study.main_signals
                for weighting in WEIGHTINGS
                if weighting in sides
            }
            below = Markup("{}{}").format(label, _freedom(result[detector], at))
            rows.append((Markup('{}<br><span class="note">{}</span>').format(words, below), cells))
    caption = Markup(
        "Standard deviations of the logarithm of the rejection at {} = 0.2, so roughly relative errors of one network, "
        "by where they come from: components of variance of a nested design (autoencoders within encoders, crossed "
        "with parts of the test sample); estimates below zero are shown as 0. Degrees of freedom stand below: with "
        "one, the 68% interval of a standard deviation reaches from 0.7 to 5 times what is found, with three from 0.8 "
        "to 1.9 times, and components are differences of mean squares, less sure still. {} {}"
    ).format(
        EPS_S,
        str(study.sections["variance"].get("words") or ""),
        ending(study, [study.methods[name] for name in result if name in study.methods]),
    )
    table: Table = pivot_table("variance", caption, study, study.main_signals, rows)
    return [Section("spread", "Where the spread comes from", [table])]


def _freedom(signals: Mapping[str, Mapping[str, Any]], at: int) -> str:
    """Return the text on the degrees of freedom of the component with index ``at``; empty if they were not recorded."""
    for components in (side for sides in signals.values() for side in sides.values()):
        if components.get("degrees_of_freedom"):
            count = components["degrees_of_freedom"][at]
            return f", {count} degree{'s' if count > 1 else ''} of freedom"
    return ""
