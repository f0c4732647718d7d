"""The search of a study: a Ray Tune searcher on Optuna's ask-and-tell interface, its sampler and its pruner."""

from __future__ import annotations

import copy
import json
import logging
import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import numpy as np
import optuna
from optuna.distributions import BaseDistribution
from optuna.pruners import BasePruner, NopPruner
from optuna.samplers import BaseSampler, TPESampler
from optuna.study import Study
from optuna.trial import BaseTrial, FixedTrial, FrozenTrial, Trial, TrialState
from ray.tune.schedulers import FIFOScheduler
from ray.tune.search import Searcher

from darkclr_ray.randomness import digest
from darkclr_ray.runtime.outcome import EPOCH, METRIC
from darkclr_ray.settings import SearchSettings, StudySettings
from darkclr_ray.study.journal import CheckedJournal, DelayedJournal
from darkclr_ray.study.records import State

logger = logging.getLogger(__name__)

REDUCTION = 3
"""Reduction factor of successive halving: one of this many trials continues at a rung."""

ENCODER = ("d_z", "p_drop")
"""Parameters that determine an encoder; the rest is cheap."""

STOPPED_AT = "stopped_at"
"""User attribute of a trial that was pruned: the epoch, and its value there. It is not an intermediate value of Optuna,
from which TPE would learn: it must ask for the same points whether values of pruned trials are remembered or not."""


@dataclass(frozen=True)
class TrialResult:
    """Final state, parameters and outcome of a trial."""

    number: int
    state: State
    reason: str | None
    parameters: dict[str, Any]
    objective: float | None
    outcome: dict[str, Any] = field(default_factory=dict)


def draw(trial: BaseTrial, search: SearchSettings) -> dict[str, Any]:
    """Return a trial's point: d_z by category, p_drop in steps, the Langevin step size on a log scale.

    What the trial has drawn before stays.
    """
    low, high, step = search.p_drop
    steps = math.floor(round((high - low) / step, 9))
    d_z = trial.suggest_categorical("d_z", search.d_z)
    p_drop = trial.suggest_float("p_drop", low, round(low + steps * step, 10), step=step)
    step_size = trial.suggest_float("step_size", *search.step_size, log=True)
    return {"d_z": d_z, "p_drop": round(p_drop, 10), "step_size": step_size}  # Optuna's steps have rounding errors


def space(search: SearchSettings) -> dict[str, BaseDistribution]:
    """Return the distribution of each parameter that `draw` draws.

    >>> space(SearchSettings())["p_drop"]
    FloatDistribution(high=0.7, log=False, low=0.1, step=0.05)
    """
    trial = FixedTrial({"d_z": search.d_z[0], "p_drop": search.p_drop[0], "step_size": search.step_size[0]})
    draw(trial, search)
    return trial.distributions


def first_point(settings: StudySettings) -> dict[str, Any]:
    """Return the point of the settings, or the nearest one in the search space; the paper's for its preset.

    >>> first_point(StudySettings())
    {'d_z': 512, 'p_drop': 0.5, 'step_size': 0.05}
    """
    search = settings.search
    low, high, step = search.p_drop
    p_drop = settings.views.p_drop if isinstance(settings.views.p_drop, float) else sum(settings.views.p_drop) / 2
    steps = min(round((p_drop - low) / step), math.floor(round((high - low) / step, 9)))
    return {
        "d_z": min(search.d_z, key=lambda d_z: abs(math.log(d_z / settings.encoder.d_z))),
        "p_drop": round(low + max(0, steps) * step, 10),
        "step_size": min(max(settings.nae.step_size, search.step_size[0]), search.step_size[1]),
    }


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


class SharedEncoderSampler(BaseSampler):
    """Optuna's TPE, seeded anew for each trial; several trials share an encoder and vary the Langevin step size.

    What a trial draws is a function of the seed, its number and the trials before it that it is shown, so a study that
    was killed and continued asks for the same points as one that was not.

    A trial takes the encoder of the first complete trial that fewer than ``shared`` trials have used; if there is none,
    it draws its own. Concurrent trials therefore do not wait for one another, and encoders of pruned or failed trials
    are not shared.

    Args:
        shared: number of trials that share an encoder (`search.step_sizes_per_encoder`).
        seed: seed of the sampler.
    """

    def __init__(self, shared: int, seed: int) -> None:
        self.shared, self.seed = shared, seed
        self.tpe = TPESampler(constant_liar=True)
        self.followed: FrozenTrial | None = None

    def leader(self, study: Study, number: int) -> FrozenTrial | None:
        """Return the trial whose encoder a new trial shares; None if it draws its own."""
        others = [trial for trial in study.get_trials(deepcopy=False) if trial.number != number]
        users = Counter(tuple(trial.params.get(name) for name in ENCODER) for trial in others)
        for trial in others:
            if (
                trial.state == TrialState.COMPLETE
                and users[tuple(trial.params[name] for name in ENCODER)] < self.shared
            ):
                return trial
        return None

    def infer_relative_search_space(self, study: Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        return self.tpe.infer_relative_search_space(study, trial)

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        return self.tpe.sample_relative(study, trial, search_space)

    def sample_independent(
        self, study: Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Any:
        if param_name in ENCODER and self.followed is not None:
            return self.followed.params[param_name]
        return self.tpe.sample_independent(study, trial, param_name, param_distribution)

    def before_trial(self, study: Study, trial: FrozenTrial) -> None:
        self.tpe = TPESampler(seed=digest("search", self.seed, trial.number) % 2**32, constant_liar=True)
        self.followed = self.leader(study, trial.number)
        self.tpe.before_trial(study, trial)
        for name, distribution in trial.distributions.items():
            # drawn by a killed process: what is left to draw takes the random numbers that come after these
            self.sample_independent(study, trial, name, distribution)

    def after_trial(self, study: Study, trial: FrozenTrial, state: TrialState, values: Sequence[float] | None) -> None:
        self.tpe.after_trial(study, trial, state, values)


class StudySearch(Searcher):
    """Ray Tune's searcher for a study whose driver may be killed at any time.

    - A trial's point, and whether it is pruned, depend on the results of trials that are `search.delay` or more
      numbers before it. It is suggested only when these have ended, so that both are the same however many trials run
      at a time, and in whichever order they end.
    - A trial that a killed driver left unfinished is suggested again, with its number and its parameters.
    - A trial that is stopped by the pruner ends as PRUNED, one without a finite objective as FAIL. A trial that was
      interrupted stays RUNNING, and is suggested again by the next driver.
    - Intermediate values are stored by the trial's own epoch, which does not restart with a worker.
    - ``on_ending`` writes the trial's file before the trial ends in Optuna: every trial that Optuna knows as finished
      has a file.

    Args:
        settings: of the study.
        storage: see `open_storage`.
        sampler: see `SharedEncoderSampler`.
        on_ending: called at each trial's end; returns the user attributes that Optuna stores.
    """

    def __init__(
        self,
        settings: StudySettings,
        storage: DelayedJournal,
        sampler: BaseSampler,
        on_ending: Callable[[TrialResult], Mapping[str, Any]],
    ) -> None:
        super().__init__(metric=METRIC, mode="max")
        marks = rungs(settings.contrastive.epochs)
        self.search, self.storage, self.on_ending = settings.search, storage, on_ending
        self.study = optuna.create_study(
            storage=storage,
            sampler=sampler,
            pruner=SuccessiveHalving(marks) if settings.search.prune and marks else NopPruner(),
            study_name=settings.name,
            direction="maximize",
            load_if_exists=True,
        )
        self.paused = False
        self.fault: Exception | None = None
        self.trials: dict[str, Trial] = {}
        self.points: dict[str, dict[str, Any]] = {}
        self.completed: set[str] = set()
        trials = self.study.get_trials()
        self.interrupted = [trial for trial in trials if trial.state == TrialState.RUNNING]
        if not trials:
            self.study.enqueue_trial(first_point(settings))

    def suggest(self, trial_id: str) -> Any:
        if self.paused:
            return Searcher.FINISHED
        if trial_id not in self.points:
            number = self._next_number()
            if not self._may_start(number):
                return None
            with self.storage.shown_to(number, self.search.delay):
                again = bool(self.interrupted) and number == self.interrupted[0].number
                trial = self._again(self.interrupted.pop(0).number) if again else self.study.ask()
                self.trials[trial_id], self.points[trial_id] = trial, draw(trial, self.search)
        return {"number": self.trials[trial_id].number, "parameters": self.points[trial_id]}

    def _next_number(self) -> int:
        """Return the number of the trial that is to be suggested next."""
        trials = self.study.get_trials(deepcopy=False)
        left = [trial.number for trial in trials if trial.state == TrialState.WAITING]
        return min([len(trials), *left, *(trial.number for trial in self.interrupted)])

    def _may_start(self, number: int) -> bool:
        """Return whether all trials have ended whose results count for a trial."""
        trials = self.study.get_trials(deepcopy=False)
        return all(trial.state.is_finished() for trial in trials if trial.number <= number - self.search.delay)

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
        objective = outcome.get("objective")
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
        elif objective is None:
            state, reason = TrialState.FAIL, "its objective is not a finite number"
        else:
            state, reason = TrialState.COMPLETE, None
        self.finalize(
            TrialResult(trial.number, cast(State, state.name), reason, self.points[trial_id], objective, outcome), trial
        )

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
        state = TrialState[ending.state]
        self.study.tell(ending.number, ending.objective if state == TrialState.COMPLETE else None, state=state)

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


class SuccessiveHalving(BasePruner):
    """Asynchronous successive halving (Li et al., arXiv:1810.05934) on the encoder's epochs, by Ray Tune's rule.

    A trial is compared once at each rung, with its first report there. It is pruned where it is worse than the best
    `1 / REDUCTION` of the trials whose reports there it is shown, if these are at least `REDUCTION`. Values of trials
    that failed later, such as one whose encoder collapsed, do not count.

    Optuna's own `SuccessiveHalvingPruner` has rungs at powers of the reduction factor only, and prunes also where fewer
    trials were at a rung.

    Args:
        marks: epochs of the rungs; see `rungs`.
    """

    def __init__(self, marks: Sequence[int]) -> None:
        self.marks = sorted(marks)

    def prune(self, study: Study, trial: FrozenTrial) -> bool:
        step = trial.last_step
        reached = [mark for mark in self.marks if step is not None and mark <= step]
        if not reached:
            return False
        own = self._report(trial, reached[-1])
        if own is None or own[0] != step:
            return False  # compared at this rung before
        trials = study.get_trials(deepcopy=False)
        others = [other for other in trials if other.number != trial.number and other.state != TrialState.FAIL]
        values = [report[1] for other in others if (report := self._report(other, reached[-1])) is not None]
        return len(values) >= REDUCTION and bool(own[1] < np.percentile(values, (1 - 1 / REDUCTION) * 100))

    def _report(self, trial: FrozenTrial, mark: int) -> tuple[int, float] | None:
        """Return the epoch and the value of a trial's first report at a rung, before the next; None without any."""
        end = next((later for later in self.marks if later > mark), math.inf)
        stopped = [trial.user_attrs[STOPPED_AT]] if STOPPED_AT in trial.user_attrs else []
        reports = [*trial.intermediate_values.items(), *stopped]
        return min(((epoch, value) for epoch, value in reports if mark <= epoch < end), default=None)


def rungs(epochs: int) -> tuple[int, ...]:
    """Return the epochs after which an encoder is compared with others: a ninth, a third, and all of its training.

    >>> rungs(150), rungs(12), rungs(1)
    ((17, 50, 150), (1, 4, 12), (1,))
    """
    return tuple(sorted({max(1, round(epochs / REDUCTION**power)) for power in (2, 1, 0)})) if epochs else ()
