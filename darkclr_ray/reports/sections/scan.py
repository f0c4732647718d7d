"""Section on the search: every trial against the searched parameters (Fig. 5), and the table of trials."""

from __future__ import annotations

from markupsafe import Markup

from darkclr_ray.reports.figures import scan
from darkclr_ray.reports.labels import D_Z, P_DROP, WEIGHTING_LABELS, signal_label
from darkclr_ray.reports.measurement import noted_area, rejection
from darkclr_ray.reports.page import Figure, Section
from darkclr_ray.reports.tables import Cell, Column, Table
from darkclr_ray.study.records import TrialRecord
from darkclr_ray.study.results import EPS_S, WEIGHTINGS, Entries, StudyResults, Weighting, trial_entries

PARAMETERS = (
    scan.Parameter("d_z", Markup("embedding dimension {}").format(D_Z), log=True),
    scan.Parameter("p_drop", Markup("drop probability {}").format(P_DROP)),
    scan.Parameter("step_size", Markup("Langevin step size"), log=True),
)


def section(study: StudyResults) -> Section | None:
    """Return the section with rejection and AUC of every trial on test jets, and a table of all trials."""
    if not study.trials:
        return None
    complete = [trial for trial in study.trials if trial.state == "COMPLETE"]
    choices = {
        f"{signal_label(signal, study.samples[signal])}, {WEIGHTING_LABELS[weighting]}": [
            point for trial in complete for point in _points(study, trial, signal, weighting)
        ]
        for weighting in WEIGHTINGS
        for signal in sorted(study.main_signals, key=lambda name: name != study.lead)
    }
    searched = [p for p in PARAMETERS if all(p.key in trial.parameters for trial in complete)]
    figure = Figure("scan", scan.scan(choices, searched, eps_s=EPS_S))
    return Section("scan", {"scan": figure, "trials": _table(study)})


def _scores(study: StudyResults, trial: TrialRecord) -> list[str]:
    return sorted(trial.test, key=lambda score: score != study.settings.search.score)


def _points(study: StudyResults, trial: TrialRecord, signal: str, weighting: Weighting) -> list[scan.Point]:
    found = []
    for score in _scores(study, trial):
        entry = trial_entries(trial, score).get((signal, weighting))
        if entry is not None:
            best = trial.number == study.best.number
            numbers = rejection(entry), noted_area(entry)
            found.append(scan.Point(trial.number, score, trial.parameters, *numbers, best))
    return found


def _effective_rank(trial: TrialRecord, score: str) -> float | None:
    """Return the effective rank of the representations of a trial's encoder; None if it was not recorded."""
    return trial.encoders[score].effective_rank if score in trial.encoders else None


def _table(study: StudyResults) -> Table:
    """Return a table of all trials with their results on the leading signal, or the reason why they ended early."""
    rows: list[dict[str, Cell]] = []
    for trial in study.trials:
        found: Entries = trial_entries(trial, study.settings.search.score)
        row: dict[str, Cell] = {
            "trial": str(trial.number),
            "state": {"FAIL": "failed"}.get(trial.state, trial.state.lower()),
            **{key: f"{value:.4g}" for key, value in trial.parameters.items()},
            "effective_rank": _effective_rank(trial, study.settings.search.score),
            "objective": trial.objectives.get(study.objective),
            "reason": trial.reason or "",
            "best": int(trial.number == study.best.number),
        }
        for weighting in WEIGHTINGS:
            if (study.lead, weighting) in found:
                row[f"rejection_{weighting}"] = rejection(found[study.lead, weighting])
                row[f"auc_{weighting}"] = noted_area(found[study.lead, weighting])
        rows.append(row)
    lead = signal_label(study.lead, study.samples[study.lead])
    columns = [
        Column("trial", "trial"),
        Column("state", "state"),
        *(Column(p.key, heading) for p, heading in zip(PARAMETERS, (D_Z, P_DROP, "step size"), strict=True)),
        Column("effective_rank", "effective<br>rank of z"),
        Column("objective", Markup("objective,<br>validation")),
        *(
            Column(f"{key}_{weighting}", heading, Markup("{}, test, {}").format(lead, label))
            for weighting, label in WEIGHTING_LABELS.items()
            for key, heading in (("rejection", "rejection"), ("auc", "AUC"))
        ),
        *([Column("reason", "why it ended early")] if any(row["reason"] for row in rows) else []),
    ]
    return Table("trials", columns, rows)
