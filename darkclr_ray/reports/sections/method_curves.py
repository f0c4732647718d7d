"""Section with ROC curves of the methods on one signal (Fig. 3), and of the best methods on all signals (Fig. 4)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from markupsafe import Markup

from darkclr_ray.evaluation.bands import Band
from darkclr_ray.reports import comparison
from darkclr_ray.reports import styles as theme
from darkclr_ray.reports.comparison import WEIGHTINGS
from darkclr_ray.reports.comparison_text import ending
from darkclr_ray.reports.figures import roc
from darkclr_ray.reports.labels import EPS_S, WEIGHTING_LABELS
from darkclr_ray.reports.measurement import Measurement
from darkclr_ray.reports.page import Figure, Section
from darkclr_ray.reports.reader import ScoredJets
from darkclr_ray.reports.runs import Comparison, Ensemble
from darkclr_ray.reports.sections.curves import GRID
from darkclr_ray.reports.tables import Cell

Data = list[dict[str, Cell]]

REPLICAS = 60
"""Number of bootstrap replicas for each band. It suffices for 68% bands and keeps the time of a page with 20 curves
below a minute."""


def section(study: Comparison, eps_s: float) -> list[Section]:
    """Return the section with both figures; empty if the study has no scores of the detectors to show."""
    shown = [ensemble for ensemble in prominent(study) if "scores" in ensemble.runs[0].stages]
    if not shown:
        return []
    scored = {one.detector: study.jets_with_scores("test", {"": one.runs[0].stages}) for one in shown}
    shown = [one for one in shown if comparison.comparable(scored[one.detector], [one.detector])]
    figures = [_methods(study, shown, scored, eps_s), _signals(study, shown, scored, eps_s)]
    return [Section("roc", "ROC curves", [figure for figure in figures if figure is not None])]


def prominent(study: Comparison) -> list[Ensemble]:
    """Return the ensembles that a figure shows if it cannot show all; users' own detectors are among them."""
    return [
        ensemble
        for name, ensemble in study.methods.items()
        if name in theme.PROMINENT or name not in theme.DETECTORS or ensemble == study.selected
    ]


def _methods(
    study: Comparison, shown: Sequence[Ensemble], scored: Mapping[str, ScoredJets], eps_s: float
) -> Figure | None:
    panels: dict[str, list[roc.Roc]] = {str(WEIGHTING_LABELS[weighting]): [] for weighting in WEIGHTINGS}
    data: Data = []
    for one in shown:
        bands = comparison.roc_of(study, scored[one.detector], one.detector, study.lead, GRID, REPLICAS)
        for weighting, band in zip(WEIGHTINGS, bands, strict=True):
            panels[str(WEIGHTING_LABELS[weighting])].append(_curve(str(one.label), study.styles[one.detector], band))
            data += _rows(band, detector=one.detector, signal=study.lead, weighting=weighting)
    if not shown:
        return None
    caption = Markup(
        "ROC curves on {}, first network of each detector (the paper’s Fig. 3). Bands: 68% of a bootstrap over events, "
        "thresholds and weights derived anew each time. A curve ends where less than one background jet of average "
        "weight survives. Dotted: chance; vertical line: {} = {:g}. {}"
    ).format(study.label(study.lead), EPS_S, eps_s, ending(study, shown))
    return Figure("roc_methods", roc.roc_curves(panels, eps_s=eps_s), caption, data)


def _signals(
    study: Comparison, shown: Sequence[Ensemble], scored: Mapping[str, ScoredJets], eps_s: float
) -> Figure | None:
    free = [one for one in shown if one == study.selected or one.detector == "s_NAE"]
    told = [one for one in shown if one.labels]
    styles = theme.signal_styles(study.main_signals)
    panels: dict[str, list[roc.Roc]] = {}
    data: Data = []
    for one in [*free, *told][:3]:
        curves = panels.setdefault(f"{one.label}, {WEIGHTING_LABELS['matched']}", [])
        for signal in study.main_signals:
            band = comparison.roc_of(study, scored[one.detector], one.detector, signal, GRID, REPLICAS)[1]
            curves.append(_curve(str(study.label(signal)), styles[signal], band))
            data += _rows(band, detector=one.detector, signal=signal, weighting="matched")
    if not panels:
        return None
    caption = Markup(
        "ROC curves on all signals, background weighted to the signal’s jet p<sub>T</sub>, first network of each (the "
        "paper’s Fig. 4). {}"
    ).format(ending(study, [*free, *told]))
    return Figure("roc_signals", roc.roc_curves(panels, eps_s=eps_s), caption, data)


def _curve(label: str, style: theme.Style, band: Band) -> roc.Roc:
    return roc.Roc(label, style, band.eps_s, band.rejection, band.low, band.high)


def _rows(band: Band, **facts: Cell) -> Data:
    columns = (np.asarray(one).tolist() for one in (band.eps_s, band.rejection, band.low, band.high))
    return [
        {**facts, "eps_s": round(x, 6), "rejection": Measurement(y, low, high)}
        for x, y, low, high in zip(*columns, strict=True)
    ]
