"""The search of a study: a Ray Tune searcher on Optuna's ask-and-tell interface."""

from __future__ import annotations

import copy
import json
import logging
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import optuna
from optuna.samplers import BaseSampler
from optuna.trial import FrozenTrial, Trial, TrialState
from ray.tune.schedulers import FIFOScheduler
from ray.tune.search import Searcher

from darkclr_ray.runtime.outcome import EPOCH, METRIC
from darkclr_ray.settings import StudySettings
from darkclr_ray.study.journal import CheckedJournal, DelayedJournal
from darkclr_ray.study.objectives import directions
from darkclr_ray.study.records import State
from darkclr_ray.study.samplers import STOPPED_AT, make_pruner, rungs
from darkclr_ray.study.space import ImpossiblePoint, Space

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class TrialResult:
    """Final state, parameters and outcome of a trial."""

    number: int
    state: State
    reason: str | None
    parameters: dict[str, Any]
    objective: float | None
    outcome: dict[str, Any] = field(default_factory=dict)
    further: tuple[float, ...] = ()

    @property
    def values(self) -> list[float] | None:
        """Values of all objectives of a complete trial; None for others."""
        return None if self.objective is None or self.state != "COMPLETE" else [self.objective, *self.further]


def open_storage(path: Path) -> DelayedJournal:
    """Open the study's Optuna storage and repair what a killed process left; the caller holds the study's lock."""
    for leftover in path.parent.glob(path.name + ".lock*"):
        leftover.unlink()  # the journal's own lock
    if path.exists():
        content = path.read_bytes()
        if content and not content.endswith(b"\n"):  # the last line was cut off: it never counted
            with open(path, "r+b") as file:
                file.truncate(content.rfind(b"\n") + 1)
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    return DelayedJournal(CheckedJournal(path))


class StudySearch(Searcher):
    """Ray Tune's searcher for a study whose driver may be killed at any time.

    - A trial's point, and whether it is pruned, depend on the results of trials that are `search.delay` or more
      numbers before it. It is suggested only when these have ended, so that both are the same however many trials run
      at a time, and in whichever order they end.
    - A trial that a killed driver left unfinished is suggested again, with its number and its parameters.
    - A point that is no valid combination of settings ends as PRUNED at once, and the next one is suggested.
    - A trial that is stopped by the pruner ends as PRUNED, one without a finite objective as FAIL. A trial that was
      interrupted stays RUNNING, and is suggested again by the next driver.
    - Intermediate values are stored by the trial's own epoch, which does not restart with a worker.
    - ``on_ending`` writes the trial's file before the trial ends in Optuna: every trial that is finished in Optuna
      has a file.

    Args:
        settings: of the study.
        space: that points are drawn from.
        storage: see `open_storage`.
        sampler: see `SharedEncoderSampler`.
        on_ending: called at each trial's end; returns the user attributes that Optuna stores.
    """

    def __init__(
        self,
        settings: StudySettings,
        space: Space,
        storage: DelayedJournal,
        sampler: BaseSampler,
        on_ending: Callable[[TrialResult], Mapping[str, Any]],
    ) -> None:
        super().__init__(metric=METRIC, mode="max")
        self.search, self.space, self.on_ending, self.sampler = settings.search, space, on_ending, sampler
        self.paused = False
        self.fault: Exception | None = None
        self.trials: dict[str, Trial] = {}
        self.points: dict[str, dict[str, Any]] = {}
        self.completed: set[str] = set()
        self.impossible = 0
        """Number of points so far that were no valid combination of settings."""
        self.open(settings, storage)

    def open(self, settings: StudySettings, storage: DelayedJournal) -> None:
        """Take up the study in a storage, or begin it there."""
        self.storage = storage
        self.study = optuna.create_study(
            storage=storage,
            sampler=self.sampler,
            pruner=make_pruner(settings.search, rungs(settings.contrastive.epochs)),
            study_name=settings.name,
            directions=directions(settings.search),
            load_if_exists=True,
        )
        self._ended = 0
        trials = self.study.get_trials()
        self.interrupted = [trial for trial in trials if trial.state == TrialState.RUNNING]
        if not trials and settings.search.sampler != "grid":
            for point in self.space.initial_points():
                self.study.enqueue_trial(point)

    def suggest(self, trial_id: str) -> Any:
        if self.paused:
            return Searcher.FINISHED
        while trial_id not in self.points:
            number = self._next_number()
            if not self._may_start(number):
                return None
            with self.storage.shown_to(number, self.search.delay):
                again = bool(self.interrupted) and number == self.interrupted[0].number
                trial = self._again(self.interrupted.pop(0).number) if again else self.study.ask()
                point, error = self._drawn(trial)
            if error is None:
                self.trials[trial_id], self.points[trial_id] = trial, point
                break
            self.impossible += 1
            self.finalize(TrialResult(number, "PRUNED", f"not possible: {error}", {}, None), trial)
            if number + 1 >= self.search.trials and not self.interrupted:
                return Searcher.FINISHED
        return {"number": self.trials[trial_id].number, "parameters": self.points[trial_id]}

    def _drawn(self, trial: Trial) -> tuple[dict[str, Any], ImpossiblePoint | None]:
        """Return a trial's parameters, or the error if they are no valid combination of settings."""
        try:
            return self.space.draw(trial), None
        except ImpossiblePoint as error:
            return {}, error

    def _next_number(self) -> int:
        """Return the number of the trial that is to be suggested next."""
        rest = self._rest()
        left = [trial.number for trial in rest if trial.state == TrialState.WAITING]
        return min([self._ended + len(rest), *left, *(trial.number for trial in self.interrupted)])

    def _may_start(self, number: int) -> bool:
        """Return whether all trials have ended whose results count for a trial."""
        return all(trial.state.is_finished() for trial in self._rest() if trial.number <= number - self.search.delay)

    def _rest(self) -> list[FrozenTrial]:
        """Return the trials from the first one on that has not ended, so that a long search takes no longer."""
        rest = self.study.get_trials(deepcopy=False)[self._ended :]
        ended = next((place for place, trial in enumerate(rest) if not trial.state.is_finished()), len(rest))
        self._ended += ended
        return rest[ended:]

    def prunes(self, trial_id: str, result: Mapping[str, Any]) -> bool:
        """Return whether a trial shall be stopped after an intermediate result.

        The decision is stored before it is returned. A trial that is suggested again and repeats its reports is treated
        as it was before, whatever other trials have reported since.
        """
        return bool(self._kept(self._prunes, trial_id, result))

    def on_trial_result(self, trial_id: str, result: dict[str, Any]) -> None:
        self._kept(self._report, trial_id, result)

    def on_trial_complete(self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False) -> None:
        self._kept(self._complete, trial_id, result, error)

    def _kept(self, call: Callable[..., Any], *arguments: Any) -> Any:
        """Make a call, and keep an exception for the driver, a full disk for example: Tune would log it and go on."""
        try:
            return call(*arguments)
        except Exception as error:
            logger.exception("the search")
            self.fault, self.paused = self.fault or error, True

    def _prunes(self, trial_id: str, result: Mapping[str, Any]) -> bool:
        reported = intermediate(result)
        if reported is None:  # also the other jobs of a study, which are no trials of the search
            return False
        stored, (epoch, value) = self._stored(trial_id), reported
        if epoch in stored.intermediate_values:
            return False
        if STOPPED_AT not in stored.user_attrs:
            stored.intermediate_values = {**stored.intermediate_values, epoch: value}
            with self.storage.shown_to(stored.number, self.search.delay):
                if not self.study.pruner.prune(self.study, stored):
                    return False
            self.trials[trial_id].set_user_attr(STOPPED_AT, [epoch, value])
        return True

    def _report(self, trial_id: str, result: Mapping[str, Any]) -> None:
        reported = intermediate(result)
        if reported is not None and reported[0] not in self._stored(trial_id).intermediate_values:
            epoch, value = reported
            self.trials[trial_id].report(value, epoch)

    def _stored(self, trial_id: str) -> FrozenTrial:
        """Return a copy of what Optuna has stored of a trial."""
        return copy.copy(self.study.get_trials(deepcopy=False)[self.trials[trial_id].number])

    def _complete(self, trial_id: str, result: dict[str, Any] | None, error: bool) -> None:
        trial = self.trials.get(trial_id)
        if trial is None or trial_id in self.completed:
            return
        outcome = json.loads(result["outcome"]) if result and "outcome" in result else {}
        objective, further = outcome.get("objective"), outcome.get("further", [])
        if outcome.get("state") == "broken":
            self.paused = True  # before anything is drawn that would not have been drawn without
        if (self.paused and not outcome) or outcome.get("state") in ("stopped", "broken"):
            return
        self.completed.add(trial_id)
        if error:
            state, reason = TrialState.FAIL, "Ray Tune lost the trial; logs/ has the details"
        elif not outcome:
            state, reason = (
                TrialState.PRUNED,
                f"stopped after epoch {(result or {}).get(EPOCH)}: behind the other trials there",
            )
        elif outcome["state"] == "failed":
            state, reason = TrialState.FAIL, outcome["reason"]
        elif objective is None or None in further:
            state, reason = TrialState.FAIL, "its objective is not a finite number"
        else:
            state, reason = TrialState.COMPLETE, None
        point, name = self.points[trial_id], cast(State, state.name)
        self.finalize(TrialResult(trial.number, name, reason, point, objective, outcome, tuple(further)), trial)

    def save_to_dir(self, checkpoint_dir: str, session_str: str = "default") -> None:
        """Save nothing: Optuna's storage has all that a searcher needs."""

    def __getstate__(self) -> dict[str, Any]:
        return {}

    def finalize(self, ending: TrialResult, trial: Trial | None = None) -> None:
        """Write a trial's end to its file, then to Optuna.

        Args:
            ending: of the trial.
            trial: in Optuna; by default it is looked up.
        """
        attributes = self.on_ending(ending)
        trial = trial or self._again(ending.number)
        for name, value in attributes.items():
            trial.set_user_attr(name, value)
        self.study.tell(ending.number, ending.values, state=TrialState[ending.state])

    def _again(self, number: int) -> Trial:
        """Return the trial of this number, which another process has asked for.

        Optuna has no function for it, but the class and the storage's look-ups are public. A study object remembers
        the trials that it showed to the last trial that was asked for, so this one has an object of its own.
        """
        study = optuna.load_study(study_name=self.study.study_name, storage=self.storage, sampler=self.study.sampler)
        known = self.storage.get_study_id_from_name(study.study_name)
        return Trial(study, self.storage.get_trial_id_from_study_id_trial_number(known, number))


def intermediate(result: Mapping[str, Any]) -> tuple[int, float] | None:
    """Return the epoch and the value that a result reports of an encoder in training; None for any other result."""
    value = result.get(METRIC, math.nan)
    return (result[EPOCH], value) if "outcome" not in result and math.isfinite(value) else None


class PruningScheduler(FIFOScheduler):
    """Ray Tune's scheduler that stops the trials which the study's pruner decides against.

    Args:
        searcher: of the study.
    """

    def __init__(self, searcher: StudySearch) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.searcher = searcher

    def on_trial_result(self, tune_controller: Any, trial: Any, result: dict[str, Any]) -> str:
        return self.STOP if self.searcher.prunes(trial.trial_id, result) else self.CONTINUE
