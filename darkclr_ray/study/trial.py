"""A trial as Ray Tune sees it: hand a job to the job queue, hand results on."""

from __future__ import annotations

import json
import math
from typing import Any

import ray
from ray import tune

from darkclr_ray.runtime.job_queue import Outcome
from darkclr_ray.settings import StudySettings
from darkclr_ray.study.jobs import EPOCH, METRIC, DetectorJob, job_name, trial_settings


class StudyTrial(tune.Trainable):
    """One trial. It trains nothing itself: that is done by workers that outlive it."""

    def setup(  # type: ignore[override]
        self, config: dict[str, Any], queue: Any, settings: StudySettings, rungs: tuple[int, ...]
    ) -> None:
        self.queue, self.settings, self.rungs = queue, settings, rungs
        self.begin(config)

    def begin(self, config: dict[str, Any]) -> None:
        self.name, self.seen = job_name(config["number"]), 0
        settings = trial_settings(self.settings, config["parameters"])
        job = DetectorJob(settings, score=settings.search.score, rungs=self.rungs)
        ray.get(self.queue.submit.remote(self.name, job))

    def step(self) -> dict[str, Any]:
        """The next intermediate result, or the end."""
        try:
            told = ray.get(self.queue.next.remote(self.name, self.seen))
        except ray.exceptions.RayActorError:  # no fault of the trial: the study pauses, and has it again
            told = Outcome("broken", "the process that hands out jobs was lost")
        if not isinstance(told, Outcome):
            self.seen += 1
            return {METRIC: told[METRIC], EPOCH: told[EPOCH]}
        objective = told.result.get("objectives", {}).get(self.settings.search.objective)
        outcome = {"state": told.state, "reason": told.reason, "objective": objective, **told.result}
        value = math.nan if objective is None else objective
        return {METRIC: value, EPOCH: self.settings.contrastive.epochs, "outcome": json.dumps(outcome), "done": True}

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        self.begin(new_config)
        return True

    def save_checkpoint(self, checkpoint_dir: str) -> None:
        """The store has everything."""

    def load_checkpoint(self, checkpoint: Any) -> None:
        """The job queue knows the job, and the store its stages."""

    def cleanup(self) -> None:
        """The trial was ended by Tune, or is over."""
        self.queue.cancel.remote(self.name)
