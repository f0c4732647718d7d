"""Section on the search: every trial against the searched parameters (Fig. 5), and the table of trials."""

from __future__ import annotations

import math

from markupsafe import Markup

from darkclr_ray.reports.figures import scan
from darkclr_ray.reports.labels import D_Z, P_DROP, WEIGHTING_LABELS, signal_label
from darkclr_ray.reports.measurement import noted_area, rejection
from darkclr_ray.reports.page import Figure, Section
from darkclr_ray.reports.tables import Cell, Column, Table
from darkclr_ray.settings import Range
from darkclr_ray.study.ensemble import EPS_S, WEIGHTINGS, Entries, Weighting
from darkclr_ray.study.read_results import trial_entries
from darkclr_ray.study.records import TrialRecord
from darkclr_ray.study.results import StudyResults

PARAMETERS = (
    scan.Parameter("d_z", Markup("embedding dimension {}").format(D_Z), log=True),
    scan.Parameter("p_drop", Markup("drop probability {}").format(P_DROP)),
    scan.Parameter("step_size", Markup("Langevin step size"), log=True),
)

SHOWN = 100
"""Number of trials above which the table shows the best ones only."""

HEADINGS = {"d_z": D_Z, "p_drop": P_DROP, "step_size": Markup("step size")}


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
    figure = Figure("scan", scan.scan(choices, parameters(study), eps_s=EPS_S))
    return Section("scan", {"scan": figure, "trials": _table(study)})


def parameters(study: StudyResults) -> list[scan.Parameter]:
    """Return the searched parameters: the paper's three, or those of the study's own search space."""
    keys = dict.fromkeys(key for trial in study.trials for key in trial.parameters)
    papers = {parameter.key: parameter for parameter in PARAMETERS}
    space = study.settings.search.space
    complete = [trial for trial in study.trials if trial.state == "COMPLETE"]
    found = []
    for key in keys:
        values = [trial.parameters[key] for trial in complete if key in trial.parameters]
        words_only = any(isinstance(value, bool) or not isinstance(value, int | float) for value in values)
        texts = dict.fromkeys(scan.value_text(trial.parameters.get(key)) for trial in complete)
        dimension = space.get(key) if isinstance(space, dict) else None
        logarithmic = isinstance(dimension, Range) and dimension.log
        own = scan.Parameter(key, Markup("{}").format(key), logarithmic, tuple(texts) if words_only else ())
        found.append(papers.get(key, own))
    return found


def _scores(study: StudyResults, trial: TrialRecord) -> list[str]:
    return sorted(trial.test, key=lambda score: score != study.score)


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
    """Return a table of all trials with their results on the leading signal, or what ended them early, and warnings."""
    rows: list[dict[str, Cell]] = []
    for trial in study.trials:
        found: Entries = trial_entries(trial, study.score)
        row: dict[str, Cell] = {
            "trial": str(trial.number),
            "state": {"FAIL": "failed"}.get(trial.state, trial.state.lower()),
            **{key: scan.value_text(value) for key, value in trial.parameters.items()},
            "effective_rank": _effective_rank(trial, study.score),
            "objective": trial.objectives.get(study.objective),
            "reason": Markup("<br>").join([*([trial.reason] if trial.reason else []), *trial.warnings]),
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
        *(Column(p.key, HEADINGS.get(p.key, p.title)) for p in parameters(study)),
        Column("effective_rank", Markup("effective<br>rank of z")),
        Column("objective", Markup("objective,<br>validation")),
        *(
            Column(f"{key}_{weighting}", heading, Markup("{}, test, {}").format(lead, label))
            for weighting, label in WEIGHTING_LABELS.items()
            for key, heading in (("rejection", "rejection"), ("auc", "AUC"))
        ),
        *([Column("reason", "what happened")] if any(row["reason"] for row in rows) else []),
    ]
    if len(rows) <= SHOWN:
        return Table("trials", columns, rows)
    place = dict(zip((trial.number for trial in study.trials), rows, strict=True))
    best = sorted(study.trials, key=lambda trial: -math.inf if trial.objective is None else trial.objective)[-SHOWN:]
    return Table("trials", columns, [place[trial.number] for trial in reversed(best)], data=rows)
