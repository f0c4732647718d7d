"""Section with the ROC curves of the best trial for all signals."""

from __future__ import annotations

import numpy as np
from markupsafe import Markup

from darkclr_ray.reports import comparison
from darkclr_ray.reports import styles as theme
from darkclr_ray.reports import text as words
from darkclr_ray.reports.comparison import WEIGHTINGS
from darkclr_ray.reports.figures import roc
from darkclr_ray.reports.labels import EPS_S, WEIGHTING_LABELS, detector_label
from darkclr_ray.reports.measurement import Measurement
from darkclr_ray.reports.page import Figure, Section
from darkclr_ray.reports.reader import ScoredJets
from darkclr_ray.reports.tables import Cell
from darkclr_ray.reports.trials import Scan

GRID = np.unique(np.concatenate([np.geomspace(0.005, 0.1, 20), np.linspace(0.1, 1.0, 91)]))
"""Signal efficiencies at which the curves are evaluated."""


def section(study: Scan, scored: ScoredJets, eps_s: float) -> Section:
    """Return the section with one ROC curve per signal, raw and matched, with 68% bands (Fig. 4, right)."""
    styles = theme.signal_styles(list(study.samples))
    panels: dict[str, list[roc.Roc]] = {str(WEIGHTING_LABELS[weighting]): [] for weighting in WEIGHTINGS}
    data: list[dict[str, Cell]] = []
    for signal in study.samples:
        bands = comparison.roc_of(study, scored, study.score, signal, GRID)
        for weighting, band in zip(WEIGHTINGS, bands, strict=True):
            curve = roc.Roc(str(study.label(signal)), styles[signal], band.eps_s, band.rejection, band.low, band.high)
            panels[str(WEIGHTING_LABELS[weighting])].append(curve)
            points = zip(
                band.eps_s.tolist(), band.rejection.tolist(), band.low.tolist(), band.high.tolist(), strict=True
            )
            data += [
                {"signal": signal, "weighting": weighting, "eps_s": round(x, 6), "rejection": Measurement(y, low, high)}
                for x, y, low, high in points
            ]
    caption = Markup(
        "ROC curves of the best trial’s {} (the paper’s Fig. 4, right). Bands: 68% of a bootstrap over events, "
        "thresholds and weights derived anew each time. A curve ends where less than one background jet of average "
        "weight survives. Dotted: chance; vertical line: {} = {:g}. {}"
    ).format(detector_label(study.score), EPS_S, eps_s, words.trained_and_selected(study))
    figure = Figure("roc", roc.roc_curves(panels, eps_s=eps_s), caption, data)
    return Section("roc", "ROC curves of the best trial", [figure])
