"""Section on the components of variance of a result: encoder seed, autoencoder seed and test sample."""

from __future__ import annotations

import math
from collections.abc import Mapping

from markupsafe import Markup

from darkclr_ray.evaluation.variance import VarianceComponents
from darkclr_ray.reports.curves import Row, pivot_table
from darkclr_ray.reports.labels import detector_label
from darkclr_ray.reports.page import Section
from darkclr_ray.reports.tables import Cell
from darkclr_ray.study.display import in_order
from darkclr_ray.study.ensemble import Weighting
from darkclr_ray.study.results import StudyResults

PARTS = {
    "encoder": "encoder’s seed",
    "autoencoder": "autoencoder’s seed",
    "test_sample": "test sample",
    "interaction": "test sample × network",
}


def section(study: StudyResults) -> Section | None:
    """Return the section with standard deviations by their source; None without this analysis."""
    result: Mapping[str, Mapping[str, Mapping[Weighting, VarianceComponents]]] = study.result("variance") or {}
    if not result:
        return None
    rows: list[Row] = []
    for detector in in_order(result):
        for at, (part, words) in enumerate(PARTS.items()):
            cells: dict[tuple[str, Weighting], Cell] = {
                (signal, weighting): f"{math.sqrt(max(getattr(components, part), 0.0)):.1%}"
                for signal, sides in result[detector].items()
                if signal in study.main_signals
                for weighting, components in sides.items()
            }
            count = next(one.degrees_of_freedom[at] for sides in result[detector].values() for one in sides.values())
            below = Markup("{}, {} degree{} of freedom").format(detector_label(detector), count, "s" * (count > 1))
            rows.append((Markup('{}<br><span class="note">{}</span>').format(words, below), cells))
    ensembles = [study.methods[name] for name in result if name in study.methods]
    return Section("spread", {"variance": pivot_table("variance", study, rows), "ensembles": ensembles})
