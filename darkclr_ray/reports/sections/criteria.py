"""Section on how criteria of a search that do not use a signal rank its trials."""

from __future__ import annotations

from markupsafe import Markup

from darkclr_ray.evaluation.rank_correlation import rank_correlations
from darkclr_ray.reports.labels import EPS_S, P_T, detector_label
from darkclr_ray.reports.measurement import Measurement
from darkclr_ray.reports.page import Section
from darkclr_ray.reports.tables import Cell, Column, Table
from darkclr_ray.reports.trials import Scan


def sections(study: Scan, eps_s: float) -> list[Section]:
    """Return the section with the rank correlations of the trials; empty if there are too few trials."""
    trials = [
        {"state": trial.state, "objectives": trial.objectives, "test": trial.test, "number": trial.number}
        for trial in study.trials
    ]
    found = rank_correlations(trials, score=study.score, eps_s=eps_s)
    if not found:
        return []
    rows: list[dict[str, Cell]] = []
    for blind in (True, False):
        chosen = [one for one in found if (one.criterion == "signal_blind") == blind]
        if chosen:
            criterion = "background against its own anomalous views" if blind else "all other signals"
            values = {one.signal: Measurement(one.value, one.low, one.high) for one in chosen}
            rows.append({"criterion": criterion, **values})
    columns = [Column("criterion", "criterion"), *(Column(name, study.label(name)) for name in study.samples)]
    caption = Markup(
        "Spearman’s rank correlation, over the {} complete trials of this search, between a criterion on validation "
        "jets that does not use the signal and the {}-matched test rejection of the signal at {} = {:g} by {}; with "
        "95% intervals of a bootstrap over trials. At 1 the criterion ranks trials as the signal does, at 0 it knows "
        "nothing of it. Families of the views: {}; drop probabilities: {}."
    ).format(
        found[0].trials,
        P_T,
        EPS_S,
        eps_s,
        detector_label(study.score),
        ", ".join(name.replace("_", " ") for name in study.settings["search"]["blind_families"]),
        ", ".join(f"{p_drop:g}" for p_drop in study.settings["search"]["blind_p_drop"]),
    )
    return [Section("criteria", "Selection without the signal", [Table("criteria", caption, columns, rows)])]
