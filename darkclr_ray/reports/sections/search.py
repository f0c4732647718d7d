"""Section on the course of a search: training curves, points, importances of the parameters, and the timeline."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from markupsafe import Markup

from darkclr_ray.reports.figures import search as figures
from darkclr_ray.reports.page import Figure, Section
from darkclr_ray.reports.sections.scan import parameters
from darkclr_ray.reports.tables import Cell
from darkclr_ray.study.importances import RELIABLE, importances
from darkclr_ray.study.records import TrialRecord
from darkclr_ray.study.results import StudyResults
from darkclr_ray.study.timeline import timeline

SHOWN = 60
"""Number of trials above which figures with a line for each trial show the best ones only."""

ENCODER, ESTIMATE, ENERGY = "encoder", "estimate", "energy"
QUANTITIES = {
    ENCODER: "encoder: loss, validation",
    ESTIMATE: "objective, estimated during training",
    ENERGY: "autoencoder: energy of data",
}


def section(study: StudyResults) -> Section | None:
    """Return the section; None if the study is no search."""
    if not study.trials:
        return None
    trials = [_trial(study, trial) for trial in study.trials]
    best = sorted(trials, key=lambda one: (not one.best, -math.inf if one.objective is None else -one.objective))
    shown = sorted(best[:SHOWN], key=lambda one: one.number)
    searched = parameters(study)
    curves = {name: title for name, title in QUANTITIES.items() if any(one.curves.get(name) for one in shown)}
    found, ran = importances(study.trials, study.settings), timeline(study.trials)
    titles = {one.key: str(one.title) for one in searched}
    points, words = bool(searched), Markup("objective: {}").format(study.objective)
    parts: dict[str, Any] = {
        "curves": Figure("training_curves", figures.training_curves(shown, curves, [ENERGY]), _rows(shown))
        if curves
        else None,
        "coordinates": Figure("coordinates", figures.parallel_coordinates(shown, searched, words)) if points else None,
        "slices": Figure("slices", figures.slices(trials, searched, words)) if points else None,
        "importances": Figure("importances", figures.importances(found, titles), [vars(one) for one in found])
        if found
        else None,
        "timeline": Figure("timeline", figures.trial_timeline(ran), [vars(bar) for bar in ran.bars])
        if ran.bars
        else None,
    }
    complete = sum(one.state == "COMPLETE" for one in trials)
    numbers = {"complete": complete, "reliable": RELIABLE, "shown": len(shown), "total": len(trials)}
    return Section("search", {**parts, **numbers, "interrupted": bool(ran.interruptions)})


def _trial(study: StudyResults, trial: TrialRecord) -> figures.Trial:
    objective = trial.objective if trial.state == "COMPLETE" else None
    best = trial.number == study.best.number
    return figures.Trial(trial.number, trial.state, trial.parameters, objective, best, _curves(study, trial))


def _curves(study: StudyResults, trial: TrialRecord) -> dict[str, list[tuple[float, float]]]:
    """Return the points (epoch, value) of each quantity of `QUANTITIES`; epochs are counted from 1."""
    encoder, energy = (study.training_curve(trial, kind) for kind in ("representation", "energy"))
    estimates = dict(trial.optuna.intermediate_values)
    stopped: Mapping[str, Any] = trial.optuna.user_attrs
    if "stopped_at" in stopped:
        epoch, value = stopped["stopped_at"]
        estimates[epoch] = value
    return {
        ENCODER: _points(encoder, "validation_loss" if any("validation_loss" in one for one in encoder) else "loss"),
        ESTIMATE: sorted((float(epoch), float(value)) for epoch, value in estimates.items()),
        ENERGY: _points(energy, "energy_data"),
    }


def _points(history: list[Mapping[str, Any]], key: str) -> list[tuple[float, float]]:
    found = [(line["epoch"] + 1.0, line.get(key)) for line in history]
    return [(epoch, float(value)) for epoch, value in found if value is not None and math.isfinite(value)]


def _rows(trials: list[figures.Trial]) -> list[dict[str, Cell]]:
    return [
        {"trial": one.number, "state": one.state, "quantity": name, "epoch": epoch, "value": value}
        for one in trials
        for name, points in one.curves.items()
        for epoch, value in points
    ]
