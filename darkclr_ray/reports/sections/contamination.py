"""Section on training jets that are contaminated with signal."""

from __future__ import annotations

from markupsafe import Markup

from darkclr_ray.reports import ensembles
from darkclr_ray.reports.comparison import WEIGHTINGS, Weighting
from darkclr_ray.reports.comparison_text import ending
from darkclr_ray.reports.figures.curves import Curve, against, rejection
from darkclr_ray.reports.labels import EPS_S, WEIGHTING_LABELS, Axis
from darkclr_ray.reports.page import Figure, Section
from darkclr_ray.reports.runs import Comparison, Ensemble


def section(study: Comparison, eps_s: float) -> list[Section]:
    """Return the section on rejection against the fraction of signal in the training jets; empty without such runs."""
    found = study.ensembles("contamination")
    signals = dict.fromkeys(str(one.trained_on["signal"]) for one in found if one.trained_on.get("signal"))
    fractions = sorted({_fraction(one) for one in found})
    if len(fractions) < 2 or not signals:
        return []
    signal = next(iter(signals))
    names = {f"{at:g}": Markup("{:g}%").format(100 * at) for at in fractions}
    axis = Axis(
        Markup("signal among the training jets"), {name: float(at) for at, name in enumerate(names)}, names=names
    )
    panels = {
        str(WEIGHTING_LABELS[weighting]): [
            _curve(members, signal, weighting, eps_s) for members in _by_detector(found).values()
        ]
        for weighting in WEIGHTINGS
    }
    caption = Markup(
        "Rejection at {} = {:g} of {} when a share of the training jets is that signal, unknown to the training: no "
        "label enters, and epochs are selected as ever. Error bars: bootstrap of the test sample, of one "
        "network each. Dotted: chance. At 0%: {}"
    ).format(EPS_S, eps_s, study.label(signal), ending(study, [one for one in found if _fraction(one) == 0.0] or found))
    data = ensembles.as_rows(study, found, (eps_s,))
    figure = Figure("contamination_rejection", against([axis], [(rejection(eps_s), panels)]), caption, data)
    return [Section("contamination", "Signal in the training jets", [figure])]


def _fraction(ensemble: Ensemble) -> float:
    return float(ensemble.trained_on.get("fraction") or 0.0)


def _by_detector(found: list[Ensemble]) -> dict[str, list[Ensemble]]:
    groups: dict[str, list[Ensemble]] = {}
    for one in found:
        groups.setdefault(one.detector, []).append(one)
    return groups


def _curve(members: list[Ensemble], signal: str, weighting: Weighting, eps_s: float) -> Curve:
    entries = {
        f"{_fraction(one):g}": ensembles.entries(one, eps_s, [signal])[signal, weighting]
        for one in members
        if signal in one.evaluations
    }
    return ensembles.rejection_curve(entries, members[0].detector, label=members[0].label)
