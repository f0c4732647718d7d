"""Samplers and pruners of Optuna by name, seeded so that a study that was killed asks for the same points."""

from __future__ import annotations

import math
import warnings
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from optuna.distributions import BaseDistribution
from optuna.exceptions import ExperimentalWarning
from optuna.pruners import BasePruner, HyperbandPruner, MedianPruner, NopPruner, SuccessiveHalvingPruner
from optuna.samplers import (
    BaseSampler,
    CmaEsSampler,
    GPSampler,
    GridSampler,
    NSGAIISampler,
    QMCSampler,
    RandomSampler,
    TPESampler,
)
from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState

from darkclr_ray.randomness import digest
from darkclr_ray.settings import SearchSettings
from darkclr_ray.study.space import Space

REDUCTION = 3
"""Of each this many trials at a rung, one goes on (successive halving)."""

STOPPED_AT = "stopped_at"
"""User attribute of a trial that was pruned: the epoch, and its value there. It is not an intermediate value of Optuna,
from which TPE would learn: it must ask for the same points whether values of pruned trials are remembered or not."""


def make_sampler(search: SearchSettings, space: Space, seed: int, number: int) -> BaseSampler:
    """Return Optuna's sampler for one trial.

    Samplers that draw all points of a study in advance (grid, qmc) are seeded by the study, all others by the study and
    the number of the trial.

    Args:
        search: names the sampler and its arguments.
        space: of the study; a grid needs its values.
        seed: of the study.
        number: of the trial.

    Raises:
        ValueError: the sampler does not have these arguments, or needs a package that is not installed.
    """
    own, shared = digest("search", seed, number) % 2**32, digest("search", seed) % 2**32
    makers: dict[str, Callable[..., BaseSampler]] = {
        "tpe": lambda **given: TPESampler(**{"seed": own, "constant_liar": True, **given}),
        "random": lambda **given: RandomSampler(**{"seed": own, **given}),
        "grid": lambda **given: GridSampler(space.grid(), **{"seed": shared, **given}),
        "gp": lambda **given: GPSampler(**{"seed": own, **given}),
        "cmaes": lambda **given: CmaEsSampler(**{"seed": own, "warn_independent_sampling": False, **given}),
        "nsga2": lambda **given: NSGAIISampler(**{"seed": own, **given}),
        "qmc": lambda **given: QMCSampler(**{"seed": shared, "scramble": True, **given}),
    }
    with warnings.catch_warnings(action="ignore", category=ExperimentalWarning):
        try:
            return makers[search.sampler](**search.sampler_arguments)
        except TypeError as error:
            raise ValueError(f"search.sampler_arguments: {error}") from None
        except ImportError as error:
            raise ValueError(
                f"search.sampler = {search.sampler}: {str(error).splitlines()[0]}; pip install 'darkclr_ray[search]'"
            ) from None


def make_pruner(search: SearchSettings, marks: Sequence[int]) -> BasePruner:
    """Return the pruner that the settings name; no pruning if there are no rungs.

    Args:
        search: names the pruner and its arguments.
        marks: epochs at which trials report; see `rungs`.

    Raises:
        ValueError: the pruner does not have these arguments.
    """
    makers: dict[str, Callable[..., BasePruner]] = {
        "asha": lambda **given: SuccessiveHalving(marks, **given),
        "halving": lambda **given: SuccessiveHalvingPruner(**{"reduction_factor": REDUCTION, **given}),
        "hyperband": lambda **given: HyperbandPruner(**{"max_resource": max(marks), **given}),
        "median": MedianPruner,
    }
    if not marks or not prunes(search):
        return NopPruner()
    with warnings.catch_warnings(action="ignore", category=ExperimentalWarning):
        try:
            return makers[search.pruner](**search.pruner_arguments)
        except TypeError as error:
            raise ValueError(f"search.pruner_arguments: {error}") from None


def prunes(search: SearchSettings) -> bool:
    """Return whether trials of a study are stopped early. With several objectives there is no order to do it by."""
    return search.prune and search.pruner != "none" and not search.further_objectives


class SharedEncoderSampler(BaseSampler):
    """A sampler that is made anew for each trial; several trials take the encoder of one and vary what comes after it.

    What a trial draws is a function of the seed, its number and the trials before it that it is shown, so a study that
    was killed and continued asks for the same points as one that was not.

    A trial takes the encoder of the first complete trial that fewer than ``step_sizes_per_encoder`` trials have used;
    if there is none, it chooses its own. So trials at the same time do not wait for one another, and no trial
    takes the encoder of one that was pruned or failed. Which parameters an encoder depends on is found from its stage
    key.

    Args:
        search: settings of the search.
        space: of the study.
        seed: of the study.
    """

    def __init__(self, search: SearchSettings, space: Space, seed: int) -> None:
        self.search, self.space, self.seed = search, space, seed
        self.sampler = make_sampler(search, space, seed, 0)
        self._encoders: dict[int, str | None] = {}
        self.fixed: Mapping[str, Any] = {}
        """Parameters that the present trial takes from another one."""

    def leader(self, study: Study, number: int) -> FrozenTrial | None:
        """Return the trial whose encoder a new trial takes, or None."""
        if self.search.sampler == "grid":
            return None  # a grid has each encoder with each value of the other parameters
        others = [trial for trial in study.get_trials(deepcopy=False) if trial.number != number]
        known = self._encoders
        encoders = [known[trial.number] if trial.number in known else self._encoder(trial) for trial in others]
        users = Counter(encoders)
        free = {one for one, count in users.items() if one is not None and count < self.search.step_sizes_per_encoder}
        for trial, encoder in zip(others, encoders, strict=True):
            if encoder in free and trial.state == TrialState.COMPLETE:
                fixed = self.space.encoder_params(trial)
                return trial if len(fixed) < len(trial.params) else None
        return None

    def _encoder(self, trial: FrozenTrial) -> str | None:
        """Return `Space.encoder_of` a trial; that of a trial which has ended is remembered."""
        encoder = self.space.encoder_of(trial.params)
        if trial.state.is_finished():
            self._encoders[trial.number] = encoder
        return encoder

    def infer_relative_search_space(self, study: Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        space = self.sampler.infer_relative_search_space(study, trial)
        left = {name: distribution for name, distribution in space.items() if name not in self.fixed}
        return {} if left.keys() <= trial.distributions.keys() else left

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        return self.sampler.sample_relative(study, trial, search_space) if search_space else {}

    def sample_independent(
        self, study: Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Any:
        if param_name in self.fixed:
            return self.fixed[param_name]
        return self.sampler.sample_independent(study, trial, param_name, param_distribution)

    def before_trial(self, study: Study, trial: FrozenTrial) -> None:
        self.sampler = make_sampler(self.search, self.space, self.seed, trial.number)
        leader = self.leader(study, trial.number)
        self.fixed = {} if leader is None else self.space.encoder_params(leader)
        self.sampler.before_trial(study, trial)
        if self.search.sampler in ("tpe", "random"):
            for name, distribution in trial.distributions.items():
                # drawn by a killed process: what is left to draw takes the random numbers that come after these
                self.sample_independent(study, trial, name, distribution)

    def after_trial(self, study: Study, trial: FrozenTrial, state: TrialState, values: Sequence[float] | None) -> None:
        if self.search.sampler != "grid":  # that one stops Optuna's own loop, which a study does not use
            self.sampler.after_trial(study, trial, state, values)


class SuccessiveHalving(BasePruner):
    """Asynchronous successive halving (Li et al., arXiv:1810.05934) on the encoder's epochs, by Ray Tune's rule.

    A trial is compared once at each rung, with its first report there. It is pruned where it is worse than the best
    `1 / reduction` of the trials whose reports there it is shown, if these are at least `reduction`. Values of trials
    that failed later, such as one whose encoder collapsed, do not count.

    Optuna's own `SuccessiveHalvingPruner` has rungs at powers of the reduction factor only, and prunes also where fewer
    trials were at a rung.

    Args:
        marks: epochs of the rungs; see `rungs`.
        reduction: of each this many trials at a rung, one goes on.
    """

    def __init__(self, marks: Sequence[int], reduction: int = REDUCTION) -> None:
        self.marks, self.reduction = sorted(marks), reduction
        self._known: dict[tuple[int, int], tuple[int, float] | None] = {}
        """First reports of trials that have ended, by number and rung: each is looked for once."""

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
        values = [report[1] for other in others if (report := self._remembered(other, reached[-1])) is not None]
        return len(values) >= self.reduction and bool(own[1] < np.percentile(values, (1 - 1 / self.reduction) * 100))

    def _remembered(self, trial: FrozenTrial, mark: int) -> tuple[int, float] | None:
        """Return `_report`; that of a trial which has ended is remembered."""
        if not trial.state.is_finished():
            return self._report(trial, mark)
        key = trial.number, mark
        if key not in self._known:
            self._known[key] = self._report(trial, mark)
        return self._known[key]

    def _report(self, trial: FrozenTrial, mark: int) -> tuple[int, float] | None:
        """Return the epoch and the value of a trial's first report at a rung, before the next; None without any."""
        end = next((later for later in self.marks if later > mark), math.inf)
        stopped = [trial.user_attrs[STOPPED_AT]] if STOPPED_AT in trial.user_attrs else []
        reports = [*trial.intermediate_values.items(), *stopped]
        return min(((epoch, value) for epoch, value in reports if mark <= epoch < end), default=None)


def rungs(epochs: int) -> tuple[int, ...]:
    """Epochs after which an encoder is compared with others: a ninth, a third, and all of its training.

    >>> rungs(150), rungs(12), rungs(1)
    ((17, 50, 150), (1, 4, 12), (1,))
    """
    return tuple(sorted({max(1, round(epochs / REDUCTION**power)) for power in (2, 1, 0)})) if epochs else ()
