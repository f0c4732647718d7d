"""Curves, tables and CSV rows of ensembles, which several sections share."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence

from markupsafe import Markup

from darkclr_ray.detectors.display import Style
from darkclr_ray.evaluation.aggregate import Entry
from darkclr_ray.reports.figures.curves import Curve
from darkclr_ray.reports.labels import WEIGHTING_LABELS, signal_label
from darkclr_ray.reports.measurement import PAPER, Measurement, rejection
from darkclr_ray.reports.tables import Cell, Column, Table
from darkclr_ray.study.ensemble import EPS_S, WEIGHTINGS, Ensemble, Weighting
from darkclr_ray.study.results import StudyResults

Row = tuple[str, Mapping[tuple[str, Weighting], Cell]]
"""Label of a row (HTML if it is Markup) and its cells by signal and weighting."""


def pivot_table(
    name: str,
    study: StudyResults,
    rows: Sequence[Row],
    *,
    heading: str = "",
    marked: int | None = None,
    data: Sequence[Mapping[str, Cell]] = (),
) -> Table:
    """Return a table with one column per main signal, raw and matched: the form of the paper's Table 3.

    The row with the index ``marked`` is highlighted; ``data`` are the rows of the CSV.
    """
    cells: list[dict[str, Cell]] = []
    for at, (label, found) in enumerate(rows):
        cells.append({"row": label, "best": int(at == marked)})
        cells[-1].update({f"{signal}_{weighting}": cell for (signal, weighting), cell in found.items()})
    columns = [
        Column(f"{signal}_{weighting}", signal_label(signal, study.samples.get(signal)), label)
        for weighting, label in WEIGHTING_LABELS.items()
        for signal in study.main_signals
    ]
    return Table(name, [Column("row", heading), *columns], cells, data)


def entry_curve(
    found: Mapping[str, Entry],
    detector: str,
    label: Markup,
    style: Style | None = None,
    *,
    quantity: Callable[[Entry], tuple[Measurement, float | None]] = lambda entry: (rejection(entry), entry.deviation),
) -> Curve:
    """Return a quantity of entries (value and deviation over networks) by position on the axis as a curve."""
    numbers = {place: quantity(entry) for place, entry in found.items()}
    deviations = {place: deviation for place, (_, deviation) in numbers.items() if deviation is not None}
    return Curve(detector, {place: value for place, (value, _) in numbers.items()}, deviations, label, style)


def by_weighting(make: Callable[[Weighting], list[Curve]]) -> dict[str, list[Curve]]:
    """Return the panels of a figure, one per weighting."""
    return {str(WEIGHTING_LABELS[weighting]): make(weighting) for weighting in WEIGHTINGS}


def as_rows(
    study: StudyResults, ensembles: Collection[Ensemble], efficiencies: Sequence[float] = (EPS_S,)
) -> list[dict[str, Cell]]:
    """Return the rows of the CSV: all results of ensembles, with one signal efficiency per row.

    If all ensembles are methods at the study's own settings, rows with the paper's numbers are added.
    """
    rows = [
        _row(study, ensemble, signal, weighting, entry)
        for ensemble in ensembles
        for eps_s in efficiencies
        for (signal, weighting), entry in ensemble.entries(eps_s).items()
    ]
    methods = list(study.methods.values())
    if not all(one in methods for one in ensembles):
        return rows
    return rows + [
        {"detector": method, "signal": signal, "weighting": "raw", "eps_s": EPS_S, "rejection": value}
        for method, numbers in PAPER.items()
        for signal, value in numbers.items()
        if signal in study.main_signals
    ]


def _row(study: StudyResults, ensemble: Ensemble, signal: str, weighting: Weighting, entry: Entry) -> dict[str, Cell]:
    first = ensemble.evaluations[signal][0]
    performance = first.raw if weighting == "raw" else first.matched
    cut = performance.at(entry.eps_s)
    sample = study.samples[signal]
    exact = {"rejection_binomial_low": entry.low, "rejection_binomial_high": entry.high}
    single = {"threshold": cut.threshold, "background_survivors": cut.survivors}
    return {
        "detector": ensemble.detector,
        "labels": int(ensemble.labels),
        "trained_on": ensemble.trained_on.words,
        **{str(key): _plain(value) for key, value in ensemble.parameters.items()},
        "signal": signal,
        "r_inv": sample.r_inv,
        "pion_mass_gev": sample.pion_mass,
        "weighting": weighting,
        "eps_s": entry.eps_s,
        "rejection": rejection(entry),
        **(exact if weighting == "raw" else {}),
        "rejection_deviation": entry.deviation,
        "significance_improvement": entry.significance_improvement[0],
        **(single if entry.networks == 1 else {}),
        "networks": entry.networks,
        "auc": entry.auc,
        "auc_deviation": entry.auc_deviation,
        "effective_background": performance.effective_background,
        "background_jets": first.n_background,
        "signal_jets": first.n_signal,
    }


def _plain(value: object) -> Cell:
    return value if isinstance(value, str | int | float) or value is None else str(value)
