"""Where the spread of a result comes from: the encoder's seed, the autoencoder's, or the test sample."""

from __future__ import annotations

import math

from markupsafe import Markup

from darkclr_ray.reports import theme
from darkclr_ray.reports.across import Row, across
from darkclr_ray.reports.comparison import WEIGHTINGS
from darkclr_ray.reports.comparison_words import ending
from darkclr_ray.reports.entrants import Comparison
from darkclr_ray.reports.labels import EPS_S, detector_label
from darkclr_ray.reports.page import Section
from darkclr_ray.reports.tables import Table

PARTS = {
    "encoder": "encoder’s seed",
    "autoencoder": "autoencoder’s seed",
    "test_sample": "test sample",
    "interaction": "test sample × network",
}


def section(study: Comparison) -> list[Section]:
    """Standard deviations by where they come from; nothing where the study did not look."""
    result = study.result("variance") or {}
    if not result:
        return []
    rows: list[Row] = []
    for detector in theme.in_order(result):
        label = study.methods[detector].label if detector in study.methods else detector_label(detector)
        for part, words in PARTS.items():
            cells = {
                (signal, weighting): Markup("{:.1%}").format(math.sqrt(max(sides[weighting][part], 0.0)))
                for signal, sides in result[detector].items()
                if signal in study.main_signals
                for weighting in WEIGHTINGS
                if weighting in sides
            }
            rows.append((Markup('{}<br><span class="note">{}</span>').format(words, label), cells))
    caption = Markup(
        "Standard deviations of the logarithm of the rejection at {} = 0.2, so roughly relative errors of one network, "
        "by where they come from: components of variance of a nested design (autoencoders within encoders, crossed "
        "with parts of the test sample); estimates below zero are shown as 0. {} {}"
    ).format(
        EPS_S,
        str(study.sections["variance"].get("words") or ""),
        ending(study, [study.methods[name] for name in result if name in study.methods]),
    )
    table: Table = across("variance", caption, study, study.main_signals, rows)
    return [Section("spread", "Where the spread comes from", [table])]
