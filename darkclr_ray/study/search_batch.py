"""Trials that the searcher asks for, as a batch of a study's program."""

from __future__ import annotations

import json
from typing import Any

from ray.tune.search import Searcher

from darkclr_ray.runtime.outcome import InfrastructureError, Outcome
from darkclr_ray.runtime.trials import PauseWithoutWorkers, outcome_of
from darkclr_ray.settings import StudySettings
from darkclr_ray.study.detector_spec import SCORES, trial_detectors
from darkclr_ray.study.jobs import DetectorJob, job_name, trial_settings
from darkclr_ray.study.objectives import values
from darkclr_ray.study.search import PruningScheduler, StudySearch


class PrunedTrials(PauseWithoutWorkers, PruningScheduler):
    """Stops the trials which the study's pruner decides against; the other jobs run in their order."""


class SearchBatch:
    """The trials that the searcher asks for, as a batch of a program.

    Args:
        searcher: asks for them.
        count: number of trials, at most.
        settings: of the study.
        marks: epochs of an encoder after which the objective is estimated for pruning.
    """

    def __init__(self, searcher: StudySearch, count: int, settings: StudySettings, marks: tuple[int, ...]) -> None:
        self.searcher, self.left, self.settings, self.marks = searcher, count, settings, marks
        self.outcomes: dict[str, Outcome] = {}

    def next(self, trial_id: str) -> tuple[str, DetectorJob] | None:
        impossible = self.searcher.impossible
        config = self.searcher.suggest(trial_id) if self.left > 0 else Searcher.FINISHED
        self.left -= self.searcher.impossible - impossible
        if not isinstance(config, dict):
            return None
        self.left -= 1
        settings = trial_settings(self.settings, config["parameters"])
        return job_name(config["number"]), trial_job(settings, rungs=self.marks)

    def report(self, trial_id: str, result: dict[str, Any]) -> None:
        self.searcher.on_trial_result(trial_id, result)
        self._check()

    def end(self, trial_id: str, result: dict[str, Any] | None) -> None:
        outcome = outcome_of(result)
        if outcome is not None and result is not None:
            objective, *further = values(outcome.result.get("objectives", {}), self.settings.search)
            told = {"state": outcome.state, "reason": outcome.reason, "objective": objective, "further": further}
            told |= outcome.result
            result = {**result, "outcome": json.dumps(told)}
        self.searcher.on_trial_complete(trial_id, result)
        self._check()

    def _check(self) -> None:
        fault = self.searcher.fault
        if fault is not None:
            raise InfrastructureError(f"the search could not be written: {fault}") from fault


def trial_job(settings: StudySettings, rungs: tuple[int, ...] = ()) -> DetectorJob:
    """Return the job of a trial; an encoder is judged provisionally only where DarkCLR's scores are what counts."""
    score = settings.search.score
    return DetectorJob(settings, trial_detectors(settings), score, rungs if score in SCORES else ())
