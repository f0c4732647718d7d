"""Section on the signal-blind selection of detectors, and on variants of the views' classifier."""

from __future__ import annotations

from collections.abc import Iterable

from markupsafe import escape

from darkclr_ray.evaluation.selection import geometric_mean
from darkclr_ray.reports.labels import D_Z, P_DROP
from darkclr_ray.reports.measurement import Measurement, blind_rejection
from darkclr_ray.reports.page import Section
from darkclr_ray.reports.tables import Cell, Column, Table
from darkclr_ray.reports.text import ensemble_label
from darkclr_ray.study.ensemble import Ensemble
from darkclr_ray.study.results import StudyResults

_NAMES = {"d_z": D_Z, "p_drop": P_DROP, "step_size": "step size"}


def section(study: StudyResults) -> Section | None:
    """Return the section; None if the study evaluated nothing on anomalous views."""
    evaluated = [one for one in study.methods.values() if one.blind]
    forms = study.ensembles("forms")
    if not evaluated and not forms:
        return None
    views = study.settings.views
    parts = {
        "selection": _selection(study, evaluated) if evaluated else None,
        "level": evaluated[0].blind[0].level if evaluated else None,
        "forms": _forms(study, forms) if forms else None,
        "taught": "dropping" in views.anomalous and "dropping" not in views.anchor,
    }
    return Section("blind", {**parts, "judged": evaluated, "form_ensembles": forms})


def _selection(study: StudyResults, evaluated: Iterable[Ensemble]) -> Table:
    rows = [_row(study, one, one == study.selected) for one in evaluated]
    columns = [Column("form", "detector"), Column("blind", "anomalous views"), Column("signals", "signals (test)")]
    return Table("signal_blind", columns, rows)


def _row(study: StudyResults, ensemble: Ensemble, best: bool) -> dict[str, Cell]:
    found = ensemble.entries(signals=study.main_signals)
    reached = [entry for (_, weighting), entry in found.items() if weighting == "matched"]
    return {
        "form": ensemble_label(ensemble),
        "blind": blind_rejection(study.blind_rejection(ensemble)),
        "signals": Measurement(
            geometric_mean([entry.rejection for entry in reached]), bound=any(entry.lower_bound for entry in reached)
        ),
        "best": int(best),
    }


def _forms(study: StudyResults, forms: list[Ensemble]) -> Table:
    """Return a table of the variants of one detector, labelled by the parameters in which they differ."""
    differing = [
        key
        for key in dict.fromkeys(key for one in forms for key in one.parameters)
        if len({str(one.parameters.get(key)) for one in forms}) > 1
    ]
    ranked = study.by_blind_objective(forms)
    rows = [
        {**{key: str(one.parameters.get(key, "")) for key in differing}, **_row(study, one, one == ranked[0])}
        for one in ranked
    ]
    columns = [
        Column("form", "detector"),
        *(Column(key, _NAMES.get(key, escape(key))) for key in differing),
        Column("blind", "anomalous views"),
        Column("signals", "signals (test)"),
    ]
    return Table("forms", columns, rows)
