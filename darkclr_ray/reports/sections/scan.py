"""Section on the search: every trial against the searched parameters, and the table of trials."""

from __future__ import annotations

from markupsafe import Markup

from darkclr_ray.reports import comparison
from darkclr_ray.reports import text as words
from darkclr_ray.reports.comparison import WEIGHTINGS, Weighting
from darkclr_ray.reports.figures import scan
from darkclr_ray.reports.labels import D_Z, P_DROP, WEIGHTING_LABELS, detector_label
from darkclr_ray.reports.page import Figure, Section
from darkclr_ray.reports.tables import Cell, Column, Table
from darkclr_ray.reports.trials import Scan

PARAMETERS = (
    scan.Parameter("d_z", Markup("embedding dimension {}").format(D_Z), log=True),
    scan.Parameter("p_drop", Markup("drop probability {}").format(P_DROP)),
    scan.Parameter("step_size", Markup("Langevin step size"), log=True),
)

SHOWN = 100
"""Number of trials above which the table shows the best ones only."""

HEADINGS = {"d_z": D_Z, "p_drop": P_DROP, "step_size": Markup("step size")}


def section(study: Scan, eps_s: float) -> Section:
    """Return the section with rejection and AUC of every trial on test jets (Fig. 5), and a table of all trials."""
    signals = [study.lead, *(name for name in study.samples if name != study.lead)]
    choices = {
        f"{study.label(name)}, {WEIGHTING_LABELS[weighting]}": points(study, name, weighting, eps_s)
        for weighting in WEIGHTINGS
        for name in signals
    }
    searched = parameters(study)
    caption = Markup(
        "Every complete trial on test jets against each searched parameter (the paper’s Fig. 5 shows {}). The menu "
        "chooses signal and weighting. The trial that was best on validation jets is ringed; it need not be the "
        "highest here. Error bars: 68% from this test sample, which all trials share. Dotted: chance. {}"
    ).format(D_Z, words.trained_and_selected(study))
    figure = Figure("scan", scan.scan(choices, searched, eps_s=eps_s), caption)
    return Section("scan", "What the search found", [figure, trials(study, eps_s)])


def parameters(study: Scan) -> list[scan.Parameter]:
    """Return the searched parameters: the paper's three, or those of the study's own search space."""
    keys = dict.fromkeys(key for trial in study.trials for key in trial.parameters)
    papers = {parameter.key: parameter for parameter in PARAMETERS}
    space = study.settings["search"].get("space") or {}
    found = []
    for key in keys:
        values = [trial.parameters[key] for trial in study.complete if key in trial.parameters]
        words_only = any(isinstance(value, bool) or not isinstance(value, int | float) for value in values)
        texts = dict.fromkeys(scan.value_text(trial.parameters.get(key)) for trial in study.complete)
        logarithmic = isinstance(space, dict) and isinstance(space.get(key), dict) and bool(space[key].get("log"))
        own = scan.Parameter(key, Markup("{}").format(key), logarithmic, tuple(texts) if words_only else ())
        found.append(papers.get(key, own))
    return found


def points(study: Scan, signal: str, weighting: Weighting, eps_s: float) -> list[scan.Point]:
    """Return a point for each complete trial and score."""
    found = []
    for trial in study.complete:
        for score in study.scores(trial):
            evaluation = comparison.of_trial(trial, score, signal)
            if evaluation is not None:
                performance = comparison.side(evaluation, weighting)
                value, area = comparison.rejection(performance, eps_s), comparison.area(performance)
                best = trial.number == study.best.number
                found.append(scan.Point(trial.number, score, trial.parameters, value, area, best))
    return found


def trials(study: Scan, eps_s: float) -> Table:
    """Return a table of all trials with their results on the leading signal, or the reason why they ended early."""
    rows: list[dict[str, Cell]] = []
    for trial in study.trials:
        row: dict[str, Cell] = {
            "trial": str(trial.number),
            "state": {"FAIL": "failed"}.get(trial.state, trial.state.lower()),
            **{key: scan.value_text(value) for key, value in trial.parameters.items()},
            "objective": trial.objectives.get(study.objective),
            "reason": trial.reason or "",
            "best": int(trial.number == study.best.number),
        }
        evaluation = comparison.of_trial(trial, study.score, study.lead)
        if evaluation is not None:
            for weighting in WEIGHTINGS:
                performance = comparison.side(evaluation, weighting)
                row[f"rejection_{weighting}"] = comparison.rejection(performance, eps_s)
                row[f"auc_{weighting}"] = comparison.area(performance)
        rows.append(row)
    columns = [
        Column("trial", "trial"),
        Column("state", "state"),
        *(Column(p.key, HEADINGS.get(p.key, p.title)) for p in parameters(study)),
        Column("objective", Markup("objective,<br>validation")),
        *(
            Column(f"{key}_{weighting}", heading, Markup("{}, test, {}").format(study.label(study.lead), label))
            for weighting, label in WEIGHTING_LABELS.items()
            for key, heading in (("rejection", "rejection"), ("auc", "AUC"))
        ),
        *([Column("reason", "why it ended early")] if any(row["reason"] for row in rows) else []),
    ]
    which = "All trials" if len(rows) <= SHOWN else f"The {SHOWN} best of {len(rows)} trials; the CSV has all"
    caption = Markup("{}; the best is marked. Objective: {}, of {}.").format(
        which, words.objective(study), detector_label(study.score)
    )
    if len(rows) <= SHOWN:
        return Table("trials", caption, columns, rows)
    best = sorted(zip(study.trials, rows, strict=True), key=lambda pair: -pair[0].objective(study.objective))[:SHOWN]
    return Table("trials", caption, columns, [row for _, row in best], data=rows)
