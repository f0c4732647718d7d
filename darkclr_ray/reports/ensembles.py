"""Results of ensembles: mean and standard deviation over networks, and the uncertainty from the test sample."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

from markupsafe import Markup

from darkclr_ray.evaluation.aggregate import Entry, robustness_table
from darkclr_ray.reports import styles as theme
from darkclr_ray.reports.comparison import Ratio, Weighting, comparable, paper_as_rows, ratio_value, ratios_of
from darkclr_ray.reports.figures.curves import Curve
from darkclr_ray.reports.measurement import Measurement, or_nan, plain
from darkclr_ray.reports.runs import Comparison, Ensemble
from darkclr_ray.reports.tables import Cell

Entries = Mapping[tuple[str, Weighting], Entry]
"""Mapping from signal and weighting to the entry."""


def entries(ensemble: Ensemble, eps_s: float, signals: Sequence[str] | None = None) -> Entries:
    """Return the results of an ensemble on all signals or some."""
    chosen = {name: found for name, found in ensemble.evaluations.items() if signals is None or name in signals}
    table = robustness_table({ensemble.detector: chosen}, eps_s=eps_s)
    return {(entry.signal, "matched" if entry.matched else "raw"): entry for entry in table}


def rejection(entry: Entry) -> Measurement:
    """Return the mean rejection with the bootstrap interval of the test sample."""
    return Measurement(entry.rejection, entry.bootstrap_low, or_nan(entry.bootstrap_high), bound=entry.lower_bound)


def blind_rejection(ensemble: Ensemble, eps_s: float) -> Measurement | None:
    """Return the pT-matched rejection on anomalous views of the background, with its bootstrap interval.

    Value and interval are geometric means over the networks, as in the selection of a detector. None if the ensemble
    was not evaluated on anomalous views.
    """
    cuts = [one.matched.at(eps_s) for one in ensemble.blind]
    if not cuts:
        return None
    ends = [cut.bootstrap_high for cut in cuts if cut.bootstrap_high is not None]
    return Measurement(
        geometric_mean([cut.value for cut in cuts]),
        geometric_mean([cut.bootstrap_low for cut in cuts]),
        geometric_mean(ends) if len(ends) == len(cuts) else math.nan,
        bound=any(cut.lower_bound for cut in cuts),
    )


def rivals(study: Comparison) -> list[Ensemble]:
    """Return the candidates that the selection does not exclude: their intervals reach the selected one's value."""
    values = [(one, blind_rejection(one, study.blind_eps_s)) for one in study.candidates]
    judged = [(one, value) for one, value in values if value is not None]
    return [one for one, value in judged[1:] if not value.high < judged[0][1].value]


def noted(value: Measurement, deviation: float | None) -> Measurement:
    """Return the value with its standard deviation over networks as a note."""
    return value if deviation is None else replace(value, note=f"± {plain(deviation)}")


def rejection_curve(
    found: Mapping[str, Entry], detector: str, *, label: Markup | None = None, style: theme.Style | None = None
) -> Curve:
    """Return the rejections of entries by position on the axis as a curve."""
    deviations = {place: entry.deviation for place, entry in found.items() if entry.deviation is not None}
    return Curve(detector, {place: rejection(entry) for place, entry in found.items()}, deviations, label, style)


def area_curve(
    found: Mapping[str, Entry], detector: str, *, label: Markup | None = None, style: theme.Style | None = None
) -> Curve:
    """Return the AUC of entries by position on the axis as a curve with deviations over networks, without intervals."""
    deviations = {place: entry.auc_deviation for place, entry in found.items() if entry.auc_deviation is not None}
    return Curve(detector, {place: Measurement(entry.auc) for place, entry in found.items()}, deviations, label, style)


JUDGES = ("multiplicity", "supervised")
"""Detectors with which the selected detector is always compared."""


def ratios(study: Comparison, eps_s: float) -> list[Ratio]:
    """Return the paired comparisons of a study, each of the first networks of two detectors.

    If the study recorded none for the selected detector, these are computed here and come first.
    """
    found: list[Ratio] = []
    champion = study.selected
    recorded = {facts["a"] for facts in study.result("pairs") or ()}
    if champion is not None and champion.detector not in recorded:
        others = [study.methods[name] for name in JUDGES if name in study.methods and name != champion.detector]
        for other in others if "scores" in champion.runs[0].stages else ():
            mine, its = (study.jets_with_scores("test", {"": one.runs[0].stages}) for one in (champion, other))
            both = replace(mine, scores={**its.scores, **mine.scores})
            if comparable(both, (champion.detector, other.detector)):
                found += ratios_of(study, both, champion.detector, other.detector, study.main_signals, eps_s)
    for facts in study.result("pairs") or ():
        for weighting in ("raw", "matched"):
            value, confidence = ratio_value(facts[weighting])
            found.append(Ratio(facts["a"], facts["b"], facts["signal"], weighting, value, confidence))
    return found


def as_rows(study: Comparison, ensembles: Collection[Ensemble], efficiencies: Sequence[float]) -> list[dict[str, Cell]]:
    """Return the rows of the CSV: all results of ensembles, with one signal efficiency per row.

    If all ensembles are methods at the study's own settings, rows with the paper's numbers are added.
    """
    rows: list[dict[str, Cell]] = []
    for ensemble in ensembles:
        for eps_s in efficiencies:
            for (signal, weighting), entry in entries(ensemble, eps_s).items():
                first = ensemble.evaluations[signal][0]
                performance = first.raw if weighting == "raw" else first.matched
                exact = {"rejection_binomial_low": entry.low, "rejection_binomial_high": entry.high}
                rows.append(
                    {
                        "detector": ensemble.detector,
                        "labels": int(ensemble.labels),
                        "trained_on": str(ensemble.trained_on.get("words") or ""),
                        **{str(key): _plain(value) for key, value in ensemble.parameters.items()},
                        "signal": signal,
                        "r_inv": study.samples[signal].get("r_inv"),
                        "pion_mass_gev": study.samples[signal].get("pion_mass"),
                        "weighting": weighting,
                        "eps_s": eps_s,
                        "rejection": rejection(entry),
                        **(exact if weighting == "raw" else {}),
                        "rejection_deviation": entry.deviation,
                        "networks": entry.networks,
                        "auc": entry.auc,
                        "auc_deviation": entry.auc_deviation,
                        "effective_background": performance.effective_background,
                        "background_jets": first.n_background,
                        "signal_jets": first.n_signal,
                    }
                )
    methods = list(study.methods.values())
    return rows + paper_as_rows(study.main_signals) if all(one in methods for one in ensembles) else rows


def geometric_mean(values: Sequence[float]) -> float:
    """Return the geometric mean of positive numbers; nan if there are none."""
    return math.exp(sum(map(math.log, values)) / len(values)) if values else math.nan


def _plain(value: object) -> Cell:
    return value if isinstance(value, str | int | float) or value is None else str(value)
