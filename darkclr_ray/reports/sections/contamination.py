"""Section on training jets that are contaminated with signal."""

from __future__ import annotations

from markupsafe import Markup

from darkclr_ray.reports.curves import as_rows, by_weighting, entry_curve
from darkclr_ray.reports.figures.curves import Curve, against, rejection
from darkclr_ray.reports.labels import Axis
from darkclr_ray.reports.page import Figure, Section
from darkclr_ray.reports.text import ensemble_label
from darkclr_ray.study.ensemble import EPS_S, Ensemble, Weighting
from darkclr_ray.study.results import StudyResults


def section(study: StudyResults) -> Section | None:
    """Return the section on rejection against the fraction of signal in the training jets; None without such runs."""
    found = study.ensembles("contamination")
    signals = [one.trained_on.signal for one in found if one.trained_on.signal]
    fractions = sorted({one.trained_on.fraction for one in found})
    if len(fractions) < 2 or not signals:
        return None
    names = {f"{at:g}": Markup("{:g}%").format(100 * at) for at in fractions}
    places = {name: float(at) for at, name in enumerate(names)}
    axis = Axis(Markup("signal among the training jets"), places, names=names)
    by_detector: dict[str, list[Ensemble]] = {}
    for one in found:
        by_detector.setdefault(one.detector, []).append(one)

    def panel(weighting: Weighting) -> list[Curve]:
        return [_curve(members, signals[0], weighting) for members in by_detector.values()]

    figure = against([axis], [(rejection(EPS_S), by_weighting(panel))])
    clean = [one for one in found if one.trained_on.fraction == 0.0] or found
    parts = {"contamination": Figure("contamination_rejection", figure, as_rows(study, found)), "clean": clean}
    return Section("contamination", {**parts, "contaminant": signals[0]})


def _curve(members: list[Ensemble], signal: str, weighting: Weighting) -> Curve:
    entries = {
        f"{one.trained_on.fraction:g}": one.entries(signals=[signal])[signal, weighting]
        for one in members
        if signal in one.evaluations
    }
    return entry_curve(entries, members[0].detector, ensemble_label(members[0]))
