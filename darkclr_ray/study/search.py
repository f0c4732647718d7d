"""The search: Optuna asked through Ray Tune's `OptunaSearch`, with what a study on files needs on top."""

from __future__ import annotations

import json
import logging
import math
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution
from optuna.samplers import BaseSampler, TPESampler
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.study import Study
from optuna.trial import FrozenTrial, Trial, TrialState
from ray.tune.schedulers import ASHAScheduler
from ray.tune.search import Searcher
from ray.tune.search.optuna import OptunaSearch

from darkclr_ray.randomness import digest
from darkclr_ray.settings import SearchSettings, StudySettings
from darkclr_ray.study.jobs import EPOCH, METRIC

logger = logging.getLogger(__name__)

REDUCTION = 3
"""Of each this many trials at a rung, one goes on (successive halving)."""

ENCODER = ("d_z", "p_drop")
"""Parameters that determine an encoder; the rest is cheap."""

FINAL = (TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL)


@dataclass(frozen=True)
class TrialResult:
    """How a trial ended: what goes into its file and into Optuna."""

    number: int
    state: str
    reason: str | None
    parameters: dict[str, Any]
    objective: float | None
    outcome: dict[str, Any] = field(default_factory=dict)


def space(search: SearchSettings) -> dict[str, BaseDistribution]:
    """What is searched: d_z by category, p_drop in steps, the Langevin step size on a log scale.

    >>> space(SearchSettings())["p_drop"]
    FloatDistribution(high=0.7, log=False, low=0.1, step=0.05)
    """
    low, high, step = search.p_drop
    steps = math.floor(round((high - low) / step, 9))
    return {
        "d_z": CategoricalDistribution(search.d_z),
        "p_drop": FloatDistribution(low, round(low + steps * step, 10), step=step),
        "step_size": FloatDistribution(*search.step_size, log=True),
    }


def first_point(settings: StudySettings) -> dict[str, Any]:
    """The point of the settings themselves, or the nearest one in the space; the paper's with its preset.

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


def open_storage(path: Path) -> JournalStorage:
    """The study's Optuna storage; the caller holds the study's lock, so what a killed process left is set right."""
    for leftover in path.parent.glob(path.name + ".lock*"):
        leftover.unlink()  # the journal's own lock
    if path.exists():
        content = path.read_bytes()
        if content and not content.endswith(b"\n"):  # the last line was cut off: it never counted
            with open(path, "r+b") as file:
                file.truncate(content.rfind(b"\n") + 1)
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    return JournalStorage(JournalFileBackend(str(path)))


class SharedEncoderSampler(BaseSampler):
    """Optuna's TPE, seeded anew for each trial; several trials take the encoder of one and vary what comes after it.

    What a trial draws is a function of the seed, its number and the trials before it, so a study that was killed and
    continued asks for the same points as one that was not.

    A trial takes the encoder of the first complete trial that fewer than ``shared`` trials have used; if there is none,
    it chooses its own. So trials at the same time do not wait for one another, and nobody follows a trial that was
    pruned or failed.

    Args:
        shared: trials an encoder (`search.step_sizes_per_encoder`).
        seed: of the sampler.
    """

    def __init__(self, shared: int, seed: int) -> None:
        self.shared, self.seed = shared, seed
        self.tpe = TPESampler(constant_liar=True)
        self.followed: FrozenTrial | None = None

    def leader(self, study: Study, number: int) -> FrozenTrial | None:
        """The trial whose encoder a new trial takes, or None."""
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

    def after_trial(self, study: Study, trial: FrozenTrial, state: TrialState, values: Sequence[float] | None) -> None:
        self.tpe.after_trial(study, trial, state, values)


class StudySearch(OptunaSearch):
    """`OptunaSearch` for a study that may be killed at any time.

    - A trial that a killed process left RUNNING is given out again, under its number and with its parameters.
    - Trials that Tune's scheduler stopped are PRUNED, those without a finite objective FAIL, those that were
      interrupted stay RUNNING and are given out next time.
    - Intermediate values go by the trial's own epoch.
    - ``on_ending`` writes the trial's file before Optuna hears of the end: what Optuna knows as finished has one.

    Args:
        settings: of the study.
        storage: see `open_storage`.
        sampler: see `SharedEncoderSampler`.
        on_ending: told of each trial's end; returns what Optuna notes as user attributes.
    """

    def __init__(
        self,
        settings: StudySettings,
        storage: JournalStorage,
        sampler: BaseSampler,
        on_ending: Callable[[TrialResult], Mapping[str, Any]],
    ) -> None:
        self.distributions = space(settings.search)
        super().__init__(
            space=self.distributions,
            metric=METRIC,
            mode="max",
            sampler=sampler,
            study_name=settings.name,
            storage=storage,
        )
        self.on_ending = on_ending
        self.paused = False
        self.fault: Exception | None = None
        trials = self.study.get_trials()
        self.interrupted = [trial for trial in trials if trial.state == TrialState.RUNNING]
        if not trials:
            self.study.enqueue_trial(first_point(settings))

    @property
    def study(self) -> Study:
        """Optuna's study."""
        return cast(Study, self._ot_study)

    def suggest(self, trial_id: str) -> Any:
        if self.paused:
            return Searcher.FINISHED
        if trial_id not in self._ot_trials:
            if self.interrupted:
                trial = Trial(self.study, self.interrupted.pop(0)._trial_id)
                for (
                    name,
                    distribution,
                ) in self.distributions.items():  # those that it has not drawn before it was cut off
                    trial._suggest(name, distribution)
            else:
                trial = self.study.ask(fixed_distributions=self.distributions)
            self._ot_trials[trial_id] = trial
        trial = self._ot_trials[trial_id]
        return {"number": trial.number, "parameters": parameters(trial)}

    def on_trial_result(self, trial_id: str, result: dict[str, Any]) -> None:
        with self._kept():
            self._report(trial_id, result)

    def on_trial_complete(self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False) -> None:
        with self._kept():
            self._complete(trial_id, result, error)

    @contextmanager
    def _kept(self) -> Iterator[None]:
        """Tune would swallow what is raised here, a full disk for example, and go on: it is kept for the driver."""
        try:
            yield
        except Exception as error:
            logger.exception("the search")
            self.fault, self.paused = self.fault or error, True

    def _report(self, trial_id: str, result: dict[str, Any]) -> None:
        value, trial = result[METRIC], self._ot_trials[trial_id]
        known = self.study.get_trials(deepcopy=False)[trial.number].intermediate_values
        if "outcome" not in result and math.isfinite(value) and result[EPOCH] not in known:
            trial.report(value, result[EPOCH])

    def _complete(self, trial_id: str, result: dict[str, Any] | None, error: bool) -> None:
        trial = self._ot_trials.get(trial_id)
        if trial is None or trial_id in self._completed_trials:
            return
        outcome = json.loads(result["outcome"]) if result and "outcome" in result else {}
        objective = outcome.get("objective")
        if outcome.get("state") == "broken":
            self.paused = True  # before anything is drawn that would not have been drawn without
        if (self.paused and not outcome) or outcome.get("state") in ("stopped", "broken"):
            return
        self._completed_trials.add(trial_id)
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
        self.finalize(TrialResult(trial.number, state.name, reason, parameters(trial), objective, outcome))

    def save_to_dir(self, checkpoint_dir: str, session_str: str = "default") -> None:
        """Optuna's storage is the only truth: Tune has nothing to keep."""

    def __getstate__(self) -> dict[str, Any]:
        return {}

    def finalize(self, ending: TrialResult) -> None:
        """Write a trial's end to its file, then to Optuna."""
        trial = Trial(self.study, self.study.get_trials(deepcopy=False)[ending.number]._trial_id)
        for name, value in self.on_ending(ending).items():
            trial.set_user_attr(name, value)
        state = TrialState[ending.state]
        self.study.tell(trial, ending.objective if state == TrialState.COMPLETE else None, state=state)


def parameters(trial: Trial) -> dict[str, Any]:
    """A trial's point; steps of p_drop come out of Optuna with rounding errors."""
    return {**trial.params, "p_drop": round(trial.params["p_drop"], 10)}


class SuccessiveHalving(ASHAScheduler):
    """Asynchronous successive halving on the encoder's epochs; see `rungs`.

    Nothing is stopped at a rung before `REDUCTION` trials have been there, and what earlier processes saw counts.

    Args:
        epochs: of an encoder's training.
        past: finished trials of the study.
    """

    def __init__(self, epochs: int, past: Sequence[FrozenTrial]) -> None:
        marks = rungs(epochs)
        super().__init__(
            time_attr=EPOCH,
            metric=METRIC,
            mode="max",
            max_t=max(2, epochs),
            grace_period=1,
            reduction_factor=REDUCTION,
            stop_last_trials=False,
        )
        (bracket,) = self._brackets
        seen = [trial.intermediate_values for trial in past]
        bracket._rungs = [
            (mark, {f"past {number}": values[mark] for number, values in enumerate(seen) if mark in values})
            for mark in reversed(marks)
        ]
        cutoff = bracket.cutoff
        enough = {"cutoff": lambda recorded: cutoff(recorded) if len(recorded) >= REDUCTION else None}
        vars(bracket).update(enough)

    def on_trial_complete(self, tune_controller: Any, trial: Any, result: dict[str, Any]) -> None:
        """A trial's last result is no intermediate one."""
        self._trial_info.pop(trial.trial_id, None)

    def on_trial_result(self, tune_controller: Any, trial: Any, result: dict[str, Any]) -> str:
        if "outcome" in result or not math.isfinite(result[METRIC]):
            return self.CONTINUE
        return super().on_trial_result(tune_controller, trial, result)


def rungs(epochs: int) -> tuple[int, ...]:
    """Epochs after which an encoder is compared with others: a ninth, a third, and all of its training.

    >>> rungs(150), rungs(12), rungs(1)
    ((17, 50, 150), (1, 4, 12), (1,))
    """
    return tuple(sorted({max(1, round(epochs / REDUCTION**power)) for power in (2, 1, 0)})) if epochs else ()
