"""Section with ROC curves of the methods on one signal (Fig. 3), and of the best methods on all signals (Fig. 4)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from darkclr_ray.detectors.display import Style
from darkclr_ray.evaluation.bands import Band
from darkclr_ray.reports import styles as theme
from darkclr_ray.reports.figures import roc
from darkclr_ray.reports.labels import WEIGHTING_LABELS, signal_label
from darkclr_ray.reports.measurement import Measurement
from darkclr_ray.reports.page import Figure, Section
from darkclr_ray.reports.sections.head import prominent
from darkclr_ray.reports.tables import Cell
from darkclr_ray.reports.text import ensemble_label
from darkclr_ray.study.ensemble import EPS_S, WEIGHTINGS, Ensemble
from darkclr_ray.study.results import StudyResults

GRID = np.unique(
    np.round(np.concatenate([np.geomspace(0.005, 0.1, 20), np.linspace(0.1, 0.3, 21), np.linspace(0.3, 1.0, 36)]), 12)
)
"""Signal efficiencies at which the curves are evaluated: densest where the curves are steep."""

REPLICAS = 60
"""Number of bootstrap replicas for each band. It suffices for 68% bands and keeps the time of a page with 20 curves
below a minute."""


HIDDEN = 3
"""Of the points of a curve, one in this many is kept for a detector that is hidden until it is chosen."""


def section(study: StudyResults) -> Section | None:
    """Return the section with both figures; None if the study has no scores of the detectors to show."""
    shown = [one for one in prominent(study) if "scores" in one.runs[0].stages and study.scores(one) is not None]
    if not shown:
        return None
    free = [one for one in shown if one == study.selected or one.detector == "s_NAE"]
    both = [*free, *(one for one in shown if one.labels)][:3]
    hidden = [one for one in study.methods.values() if one not in shown and study.scores(one) is not None]
    figures = {"methods": _methods(study, shown, hidden), "signals": _signals(study, both) if both else None}
    return Section("roc", {**figures, "shown": shown, "drawn": both, "hidden": hidden})


def _methods(study: StudyResults, shown: Sequence[Ensemble], hidden: Sequence[Ensemble]) -> Figure:
    panels: dict[str, list[roc.Roc]] = {str(WEIGHTING_LABELS[weighting]): [] for weighting in WEIGHTINGS}
    data: list[dict[str, Cell]] = []
    styles = theme.styles_of(study)
    for one in shown:
        bands = study.roc(one, study.lead, GRID, REPLICAS) or ()
        for weighting, band in zip(WEIGHTINGS, bands, strict=True):
            curve = _curve(str(ensemble_label(one)), styles[one.detector], band)
            panels[str(WEIGHTING_LABELS[weighting])].append(curve)
            data += _rows(band, detector=one.detector, signal=study.lead, weighting=weighting)
    coarse = GRID[::HIDDEN]
    for one in hidden:
        for weighting, line in zip(WEIGHTINGS, study.roc_lines(one, study.lead, coarse) or (), strict=True):
            curve = roc.Roc(str(ensemble_label(one)), styles[one.detector], coarse, line)
            panels[str(WEIGHTING_LABELS[weighting])].append(curve)
            facts: dict[str, Cell] = {"detector": one.detector, "signal": study.lead, "weighting": weighting}
            points = zip(coarse.tolist(), line.tolist(), strict=True)
            data += [{**facts, "eps_s": round(x, 6), "rejection": Measurement(y)} for x, y in points]
    return Figure("roc_methods", roc.roc_curves(panels, eps_s=EPS_S), data)


def _signals(study: StudyResults, shown: Sequence[Ensemble]) -> Figure:
    """Return the matched curves of some detectors; of a single one, raw and matched."""
    styles = theme.signal_styles(study.main_signals)
    weightings = WEIGHTINGS if len(shown) == 1 else WEIGHTINGS[1:]
    panels: dict[str, list[roc.Roc]] = {}
    data: list[dict[str, Cell]] = []
    for one in shown:
        for signal in study.main_signals:
            bands = dict(zip(WEIGHTINGS, study.roc(one, signal, GRID, REPLICAS) or (), strict=True))
            for weighting in weightings:
                curves = panels.setdefault(f"{ensemble_label(one)}, {WEIGHTING_LABELS[weighting]}", [])
                label = str(signal_label(signal, study.samples[signal]))
                curves.append(_curve(label, styles[signal], bands[weighting]))
                data += _rows(bands[weighting], detector=one.detector, signal=signal, weighting=weighting)
    return Figure("roc_signals", roc.roc_curves(panels, eps_s=EPS_S), data)


def _curve(label: str, style: Style, band: Band) -> roc.Roc:
    return roc.Roc(label, style, band.eps_s, band.rejection, band.low, band.high)


def _rows(band: Band, **facts: Cell) -> list[dict[str, Cell]]:
    columns = (np.asarray(one).tolist() for one in (band.eps_s, band.rejection, band.low, band.high))
    return [
        {**facts, "eps_s": round(x, 6), "rejection": Measurement(y, low, high)}
        for x, y, low, high in zip(*columns, strict=True)
    ]
