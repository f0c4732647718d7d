"""Importance of each parameter of a search for its objective, with the spread over seeds of the estimator."""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from darkclr_ray.settings import StudySettings
from darkclr_ray.study.records import TrialRecord

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution

FEWEST = 4
"""Number of complete trials below which no importance is estimated."""
RELIABLE = 20
"""Number of complete trials below which importances are not reliable."""
MOST = 200
"""Largest number of complete trials that are used, spread evenly over the search."""
SEEDS = 5
TREES = 32
"""Number of trees of the estimator's forest."""


@dataclass(frozen=True)
class Importance:
    """Importance of a parameter, in [0, 1]; those of all parameters of a search add up to 1.

    Attributes:
        parameter: name of the parameter.
        mean, low, high: mean, smallest and largest estimate over the seeds of the estimator.
    """

    parameter: str
    mean: float
    low: float
    high: float


def importances(trials: Sequence[TrialRecord], settings: StudySettings) -> list[Importance]:
    """Return the importance of each parameter that all complete trials have, the largest one first.

    It is the share of the objective's variance over the search space that the parameter alone explains, in a random
    forest that is fitted to the complete trials (functional ANOVA, Hutter et al., ICML 2014), normalised to a sum of 1.

    Empty with fewer than `FEWEST` complete trials, if fewer than two parameters differ, if all objectives are equal, or
    if the search space is a function that is not installed here.
    """
    import optuna
    from optuna.importance import FanovaImportanceEvaluator, get_param_importances
    from optuna.trial import create_trial

    from darkclr_ray.study.space import Space  # Optuna, which most pages do not need

    complete = [trial for trial in trials if trial.state == "COMPLETE" and trial.objective is not None]
    if len(complete) < FEWEST or len({trial.objective for trial in complete}) == 1:
        return []
    try:
        space = Space(settings)
    except ValueError:
        return []
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    study = optuna.create_study(direction="maximize")
    for trial in complete[:: -(-len(complete) // MOST)]:
        params = trial.optuna.params or trial.parameters
        with warnings.catch_warnings(action="ignore"):  # of a value that is outside of the range
            distributions = space.distributions(params)
        drawn = {name: _uniform(value, distributions[name]) for name, value in params.items() if name in distributions}
        values, ranges = ({name: one[at] for name, one in drawn.items()} for at in (0, 1))
        with suppress(ValueError):  # the settings have another space than at the time of the trial
            study.add_trial(create_trial(params=values, distributions=ranges, value=trial.objective))
    if len(study.trials) < FEWEST:
        return []
    try:
        found = [
            get_param_importances(study, evaluator=FanovaImportanceEvaluator(n_trees=TREES, seed=seed))
            for seed in range(SEEDS)
        ]
    except (RuntimeError, ValueError):  # no variance in the forest, or no parameter that all trials have
        return []
    shares = {name: np.array([one[name] for one in found]) for name in found[0]}
    result = [Importance(name, float(v.mean()), float(v.min()), float(v.max())) for name, v in shares.items()]
    return sorted(result, key=lambda one: -one.mean) if len(result) > 1 else []


def _uniform(value: Any, distribution: BaseDistribution) -> tuple[Any, BaseDistribution]:
    """Return a parameter and its distribution on the scale on which it is drawn uniformly.

    Optuna's estimator averages over the values of a parameter themselves, also if they are drawn in the logarithm.
    """
    from optuna.distributions import FloatDistribution, IntDistribution

    if isinstance(distribution, FloatDistribution | IntDistribution) and distribution.log:
        return math.log(value), FloatDistribution(math.log(distribution.low), math.log(distribution.high))
    return value, distribution
