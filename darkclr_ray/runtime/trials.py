"""Jobs as trials of Ray Tune.

A study is a program: a generator that yields batches of jobs and is resumed with their outcomes when all have ended.
All batches are trials of one `Tuner.fit`, so that worker groups stay alive from one batch to the next.
"""

from __future__ import annotations

import contextlib
import json
import logging
import math
from collections.abc import Callable, Generator, Mapping
from typing import Any, Protocol

import ray
from ray import tune
from ray.tune.experiment import Trial
from ray.tune.schedulers import FIFOScheduler, TrialScheduler
from ray.tune.search import Searcher

from darkclr_ray.runtime.outcome import EPOCH, METRIC, Outcome
from darkclr_ray.runtime.worker_group import HEAD, GroupPlan, WorkerGroup

logger = logging.getLogger(__name__)

MAX_WAITING = 15.0
"""Seconds without a living worker after which a trial is paused, so that an idle worker group can resume it."""


class WarmTrial(tune.Trainable):
    """A trial whose training workers outlive it: with `reuse_actors=True` they run the next trial as well.

    The configuration of a trial has the "name" and the payload ("job") of its job. Its last result has the outcome, as
    JSON.
    """

    def setup(self, config: dict[str, Any], plan: GroupPlan) -> None:  # type: ignore[override]
        self.plan, self.group = plan, WorkerGroup(plan)
        self.reset_config(config)

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        self.epoch = 0
        try:
            self.group.put(new_config["name"], new_config["job"])
        except ray.exceptions.RayActorError:  # lost between two trials, for which Tune would not retry the second
            self.group = WorkerGroup(self.plan)
            self.group.put(new_config["name"], new_config["job"])
        return True

    def step(self) -> dict[str, Any]:
        """Return an intermediate result or the outcome; after a second, the progress."""
        news = self.group.news()
        result = {METRIC: math.nan, "progress": news.progress, "waiting": news.waiting, "mailbox": self.group.name}
        if news.metric is not None:
            self.epoch = news.metric[EPOCH]
            result |= news.metric
        if news.outcome is not None:
            outcome = {"state": news.outcome.state, "reason": news.outcome.reason, "result": news.outcome.result}
            result |= {"outcome": json.dumps(outcome), "done": True}
        return {EPOCH: self.epoch, **result}

    def save_checkpoint(self, checkpoint_dir: str) -> None:
        """The store has everything."""

    def load_checkpoint(self, checkpoint: Any) -> None:
        """The store has everything."""

    def cleanup(self) -> None:
        self.group.close()


class Batch(Protocol):
    """Jobs that a program yields: all at once, or one after the other as outcomes come in."""

    outcomes: dict[str, Outcome]
    """Those of the jobs that have finished or failed, by name."""

    def next(self, trial_id: str) -> tuple[str, Any] | None:
        """Return the name and payload of the next job; None if there is none at present."""

    def report(self, trial_id: str, result: dict[str, Any]) -> None:
        """Receive an intermediate result of a job."""

    def end(self, trial_id: str, result: dict[str, Any] | None) -> None:
        """Receive the last result of a job; it has no "outcome" if Tune stopped the job."""


class JobList:
    """Jobs that are known beforehand.

    Args:
        jobs: payloads by name, in order.
        on_end: called with the name and outcome of each job that has finished or failed.
    """

    def __init__(self, jobs: Mapping[str, Any], on_end: Callable[[str, Outcome], None] = lambda name, outcome: None):
        self.outcomes: dict[str, Outcome] = {}
        self.on_end = on_end
        self._jobs = iter(jobs.items())
        self._names: dict[str, str] = {}

    def next(self, trial_id: str) -> tuple[str, Any] | None:
        job = next(self._jobs, None)
        if job is not None:
            self._names[trial_id] = job[0]
        return job

    def report(self, trial_id: str, result: dict[str, Any]) -> None:
        """Intermediate results matter to a search only."""

    def end(self, trial_id: str, result: dict[str, Any] | None) -> None:
        outcome = outcome_of(result)
        if outcome is not None and outcome.state in ("finished", "failed"):
            self.outcomes[self._names[trial_id]] = outcome
            self.on_end(self._names[trial_id], outcome)


def outcome_of(result: Mapping[str, Any] | None) -> Outcome | None:
    """Return the outcome in a trial's last result; None if Tune stopped the trial before it ended."""
    return Outcome(**json.loads(result["outcome"])) if result and "outcome" in result else None


Program = Generator[Batch, dict[str, Outcome], int]
"""A study's work: it yields batches of jobs, receives their outcomes, and returns the exit status of the study."""


class ProgramSearcher(Searcher):
    """Suggests the jobs of a program to Ray Tune.

    An error in the program ends the search; Tune would log it and continue, so it is kept in `error`.

    Args:
        program: see `Program`.
        pausing: returns whether no more jobs should start.
    """

    def __init__(self, program: Program, pausing: Callable[[], bool]) -> None:
        super().__init__(metric=METRIC, mode="max")
        self.program, self.pausing = program, pausing
        self.batch: Batch | None = None
        self.running: set[str] = set()
        self.status: int | None = None
        self.broken: str | None = None
        self.error: Exception | None = None

    def suggest(self, trial_id: str) -> Any:
        try:
            while not self.stopped():
                job = self.batch.next(trial_id) if self.batch is not None else None
                if job is not None:
                    self.running.add(trial_id)
                    return {"name": job[0], "job": job[1]}
                if self.running:
                    return None
                self.batch = self.program.send(self.batch.outcomes) if self.batch is not None else next(self.program)
        except StopIteration as end:
            self.status = end.value
        except Exception as error:
            self.error = error
        return Searcher.FINISHED

    def stopped(self) -> bool:
        return self.status is not None or self.error is not None or self.broken is not None or self.pausing()

    def on_trial_result(self, trial_id: str, result: dict[str, Any]) -> None:
        self._guarded(lambda batch: batch.report(trial_id, result))

    def on_trial_complete(self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False) -> None:
        if trial_id not in self.running:
            return
        self.running.discard(trial_id)
        if error:  # its processes were lost again and again; the trial is left unfinished, and no result is wrong
            self.broken = self.broken or "Ray lost the processes of a trial again and again; logs/ has the details"
            return
        outcome = outcome_of(result)
        if outcome is not None and outcome.state == "broken":
            self.broken = self.broken or outcome.reason or "the infrastructure failed"
        self._guarded(lambda batch: batch.end(trial_id, result))

    def _guarded(self, call: Callable[[Batch], None]) -> None:
        assert self.batch is not None
        try:
            call(self.batch)
        except Exception as error:
            logger.exception("the search")
            self.error = self.error or error

    def save(self, checkpoint_path: str) -> None:
        raise NotImplementedError("a study is resumed from its own files")

    def restore(self, checkpoint_path: str) -> None:
        raise NotImplementedError("a study is resumed from its own files")

    def save_to_dir(self, checkpoint_dir: str, session_str: str = "default") -> None:
        """A study is resumed from its own files."""

    def __getstate__(self) -> dict[str, Any]:
        return {}


def cancel(result: Mapping[str, Any]) -> None:
    """Ask the workers of the trial that sent a result to stop after their epoch.

    Tune's own way of stopping an experiment kills the trials' actors after 15 s, and an epoch may take longer.
    """
    with contextlib.suppress(ValueError):  # the actor may be gone
        ray.get_actor(result["mailbox"]).cancel.remote()


class PauseWithoutWorkers(TrialScheduler):
    """Pauses a trial whose workers find no place while another worker group is idle; Tune then resumes it there.

    Attributes:
        groups: number of worker groups.
    """

    groups = 1

    def on_trial_result(self, tune_controller: Any, trial: Trial, result: dict[str, Any]) -> str:
        if result["waiting"] > MAX_WAITING:
            trials = tune_controller.get_trials()
            unfinished = sum(not other.is_finished() for other in trials)
            if unfinished < min(self.groups, len(trials)):  # the group of one that has finished has no trial
                return TrialScheduler.PAUSE
        return super().on_trial_result(tune_controller, trial, result)


class InOrder(PauseWithoutWorkers, FIFOScheduler):
    """Runs trials in the order in which they were suggested."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]


def tuner(
    plan: GroupPlan, searcher: Searcher, scheduler: PauseWithoutWorkers, callback: tune.Callback, folder: str
) -> tune.Tuner:
    """Return the Tuner that runs all jobs of a study.

    Args:
        plan: of each worker group; its allocation has their number.
        searcher: suggests the jobs.
        scheduler: pauses and prunes trials.
        callback: is told of results.
        folder: for files of Ray Tune; all nodes must see it.
    """
    scheduler.groups = plan.allocation.worker_groups
    trainable = tune.with_resources(tune.with_parameters(WarmTrial, plan=plan), {"CPU": 0, **HEAD})
    return tune.Tuner(
        trainable,
        tune_config=tune.TuneConfig(
            search_alg=searcher,
            scheduler=scheduler,
            num_samples=-1,
            max_concurrent_trials=plan.allocation.worker_groups,
            reuse_actors=True,
            trial_name_creator=lambda trial: str(trial.config["name"]),
            trial_dirname_creator=lambda trial: str(trial.config["name"]),
        ),
        run_config=tune.RunConfig(
            name="tune",
            storage_path=folder,
            verbose=0,
            callbacks=[callback],
            checkpoint_config=tune.CheckpointConfig(checkpoint_at_end=False),
            failure_config=tune.FailureConfig(max_failures=plan.failures),
        ),
    )
