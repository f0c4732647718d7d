"""Read the folder of an embedding scan: its trials and references."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from darkclr_ray.reports.reader import ScoredJets, Study, json_file, reading, settings_yaml, study_json


@dataclass(frozen=True)
class Trial:
    """One trial, as read from its JSON file; ``test`` is {score: {signal: evaluation}}."""

    number: int
    state: str
    reason: str | None
    parameters: Mapping[str, Any]
    stages: Mapping[str, str]
    test: Mapping[str, Mapping[str, Any]]
    objectives: Mapping[str, float]
    seconds: Mapping[str, float]
    score: str | None = None

    def objective(self, name: str) -> float:
        """Return the value of an objective on validation jets; minus infinity if it could not be computed."""
        value = self.objectives.get(name)
        return -math.inf if value is None else value


@dataclass(frozen=True)
class Scan(Study):
    """Folder of an embedding scan with its settings and the results of its trials and references."""

    trials: tuple[Trial, ...]
    references: Mapping[str, Mapping[str, Any]]
    repeats: Mapping[str, Any] = field(default_factory=dict)
    """Results of the best points with further seeds; empty if they were not trained again."""

    @property
    def objective(self) -> str:
        """Name of the objective that the search maximised on validation jets."""
        return str(self.settings["search"]["objective"])

    @property
    def score(self) -> str:
        """Name of the score that the objective evaluates."""
        judged = (trial.score for trial in self.complete if trial.score is not None)
        return next(judged, str(self.settings["search"]["score"]))

    @property
    def complete(self) -> list[Trial]:
        """List of the trials that were completed."""
        return [trial for trial in self.trials if trial.state == "COMPLETE"]

    @cached_property
    def best(self) -> Trial:
        """Complete trial with the largest mean over further seeds if there are such, else with the largest objective;
        the first one of several with equal objectives.
        """
        chosen = [trial for trial in self.complete if trial.number == self.repeats.get("selected")]
        return (
            chosen[0]
            if chosen
            else max(self.complete, key=lambda trial: (trial.objective(self.objective), -trial.number))
        )

    def scores(self, trial: Trial) -> list[str]:
        """Return the names of a trial's scores on test jets, the score of the objective first."""
        return sorted(trial.test, key=lambda score: score != self.score)

    def evaluated(self) -> Iterable[str]:
        return self.best.test.get(self.score, {})

    def scored(self, split: str) -> ScoredJets:
        """Return the jets of a split with the scores of the best trial and of the references."""
        stages = {name: reference.get("stages") or {} for name, reference in self.references.items()}
        return self.jets_with_scores(split, {"": self.best.stages, **stages})


def read(folder: Path) -> Scan:
    """Read an embedding scan's folder.

    Raises:
        ValueError: the folder contains no study, or no trial of it is complete yet.
    """
    about, settings = study_json(folder), settings_yaml(folder)
    trials = [_trial(path) for path in sorted((folder / "trials").glob("*.json"))]
    path = folder / "references.json"
    references = json_file(path) if path.is_file() else {}
    ordered = tuple(sorted(trials, key=lambda trial: trial.number))
    path = folder / "seeds.json"
    repeats = json_file(path) if path.is_file() and settings["search"].get("seeds") else {}
    if repeats.get("objective") != settings["search"].get("objective"):
        repeats = {}  # of earlier objectives
    scan = Scan(folder, about, settings, ordered, references, repeats)
    if not scan.complete:
        states = ", ".join(f"trial {trial.number}: {trial.state}" for trial in scan.trials) or "no trial at all"
        raise ValueError(f"{folder}: nothing to report before the first complete trial ({states})")
    with reading(folder / "settings.yaml"):
        settings["background"], settings["search"]["objective"], settings["search"]["score"]
    # References of an earlier best trial are dropped, since they do not belong to this one.
    own = {name: known for name, known in references.items() if known.get("parameters") in (None, scan.best.parameters)}
    return replace(scan, references=own)


def _trial(path: Path) -> Trial:
    facts = json_file(path)
    with reading(path):
        return _of_facts(facts)


def _of_facts(facts: Mapping[str, Any]) -> Trial:
    return Trial(
        number=int(facts["number"]),
        state=str(facts["state"]),
        reason=facts.get("reason"),
        parameters=facts.get("parameters") or {},
        stages=facts.get("stages") or {},
        test=facts.get("test") or {},
        objectives=facts.get("objectives") or {},
        seconds=facts.get("seconds") or {},
        score=facts.get("score"),
    )
