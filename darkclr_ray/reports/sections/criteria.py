"""Section on how criteria of a search that do not use a signal rank its trials."""

from __future__ import annotations

from darkclr_ray.evaluation.rank_correlation import rank_correlations
from darkclr_ray.reports.labels import signal_label
from darkclr_ray.reports.measurement import Measurement
from darkclr_ray.reports.page import Section
from darkclr_ray.reports.tables import Cell, Column, Table
from darkclr_ray.study.ensemble import EPS_S
from darkclr_ray.study.results import StudyResults


def section(study: StudyResults) -> Section | None:
    """Return the section with the rank correlations of the trials; None if there are too few trials."""
    score = study.settings.search.score
    found = rank_correlations(study.trials, score=score, eps_s=EPS_S, seed=study.settings.seed)
    if not found:
        return None
    rows: list[dict[str, Cell]] = []
    for criterion, blind in (("background against its own anomalous views", True), ("all other signals", False)):
        chosen = {one.signal: one for one in found if (one.criterion == "signal_blind") == blind}
        if chosen:
            values = {name: Measurement(one.value, one.low, one.high) for name, one in chosen.items()}
            rows.append({"criterion": criterion, **values})
    signals = list(dict.fromkeys(one.signal for one in found))
    columns = [Column(name, signal_label(name, study.samples.get(name))) for name in signals]
    table = Table("criteria", [Column("criterion", "criterion"), *columns], rows)
    return Section("criteria", {"criteria": table, "trials": found[0].trials, "score": score})
