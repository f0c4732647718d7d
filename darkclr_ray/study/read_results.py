"""Read the results of a study from its folder."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from darkclr_ray.settings import StudySettings
from darkclr_ray.study.ensemble import Ensemble, Entries
from darkclr_ray.study.labels import background_label, detector_name, natural
from darkclr_ray.study.records import (
    ANALYSES,
    Evaluations,
    ReferenceRecord,
    References,
    Repeats,
    RunRecord,
    StudyRecord,
    TrainedOn,
    TrialRecord,
    selected_trial,
)
from darkclr_ray.study.results import StudyResults
from darkclr_ray.study.study_files import REMEDY, read_settings


def read_results(folder: Path) -> StudyResults:
    """Return the results of a study of any kind, finished or not.

    Raises:
        ValueError: the folder contains no study, a file is damaged, or no trial or run is complete yet.
    """
    if not (folder / "study.json").is_file():
        raise ValueError(f"{folder}: no study.json, so this is not a study's folder")
    about, settings = StudyRecord.read(folder / "study.json", REMEDY), read_settings(folder / "settings.yaml")
    if about.kind == "embedding_scan":
        return _read_scan(folder, about, settings)
    paths = sorted((folder / "runs").glob("*.json"), key=lambda path: natural(path.name))
    runs = tuple(RunRecord.read(path, REMEDY) for path in paths)
    analyses = {
        path.stem: ANALYSES[path.stem].read(path, REMEDY)
        for path in sorted((folder / "sections").glob("*.json"))
        if path.stem in ANALYSES
    }
    if not any(run.state == "COMPLETE" and run.test for run in runs):
        states = ", ".join(f"{run.key}: {run.state}" for run in runs) or "no run at all"
        raise ValueError(f"{folder}: nothing to report before the first complete run ({states})")
    return StudyResults(folder, about, settings, runs, analyses=analyses)


def _read_scan(folder: Path, about: StudyRecord, settings: StudySettings) -> StudyResults:
    trials = tuple(TrialRecord.read(path, REMEDY) for path in sorted((folder / "trials").glob("*.json")))
    path = folder / "seeds.json"
    repeats = Repeats.read(path, REMEDY) if path.is_file() and settings.search.seeds else None
    if repeats is not None and repeats.objective != settings.search.objective:
        repeats = None  # of earlier objectives
    best = selected_trial(trials, repeats)
    if best is None:
        states = ", ".join(f"trial {trial.number}: {trial.state}" for trial in trials) or "no trial at all"
        raise ValueError(f"{folder}: nothing to report before the first complete trial ({states})")
    path = folder / "references.json"
    references = References.read(path, REMEDY).root if path.is_file() else {}
    # references of an earlier best trial do not belong to this one
    own = {name: one for name, one in references.items() if one.parameters in (None, best.parameters)}
    count = about.counts.get("train", {}).get(settings.background)
    words = f"{count:,} {background_label(settings.background)} jets without labels" if count else TrainedOn().words
    facts = {"trained_on": TrainedOn(background=settings.background, jets=count, words=words)}
    runs = [_as_run("", best, best.parameters), *(_as_run(name, one, {}) for name, one in own.items())]
    complete = tuple(run.model_copy(update=facts) for run in runs)
    return StudyResults(folder, about, settings, complete, trials, repeats=repeats)


def _as_run(label: str, record: TrialRecord | ReferenceRecord, parameters: Mapping[str, Any]) -> RunRecord:
    """Return the best trial ("" as label) or a reference of a scan as a run of one network."""
    test: Evaluations = {detector_name(label, score): signals for score, signals in record.test.items()}
    return RunRecord(
        key=label or "best trial",
        label=label,
        sections=["methods"],
        state="COMPLETE",
        parameters=dict(parameters),
        stages=record.stages,
        test=test,
    )


def trial_entries(trial: TrialRecord, score: str) -> Entries:
    """Return the results of a trial's score on test jets; empty if it was not evaluated."""
    return Ensemble(score, (_as_run("", trial, trial.parameters),)).entries()
