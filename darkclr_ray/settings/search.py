"""Settings of the search: space, sampler, pruner and objectives."""

from __future__ import annotations

import json
from typing import Annotated, Any, Literal

from pydantic import Field, JsonValue, field_validator, model_validator

from darkclr_ray.settings.base import Probability, Settings

ObjectiveName = str


class Range(Settings):
    """Range of a number in a search space; an integer where the setting is one."""

    low: float
    """Smallest value."""
    high: float
    """Largest value; with a step, the largest multiple of it above `low` that is not larger."""
    log: bool = False
    """Whether values are drawn on a logarithmic scale."""
    step: float | None = Field(None, gt=0.0)
    """Distance between neighbouring values; none: any value, or every integer."""

    @model_validator(mode="after")
    def _possible(self) -> Range:
        if self.low > self.high:
            raise ValueError(f"low = {self.low:g} is larger than high = {self.high:g}; write the smaller value first")
        if self.log and (self.low <= 0.0 or self.step is not None):
            raise ValueError("a logarithmic range needs low > 0 and has no step")
        return self


Choices = Annotated[tuple[JsonValue, ...], Field(min_length=1)]


Arguments = dict[str, JsonValue]


class SearchSettings(Settings):
    """Search space, sampler, pruner and objective of the hyperparameter optimisation with Optuna."""

    trials: int = Field(60, ge=1, le=100000)
    """Number of trials of the study; the first has the paper's settings (or the preset's)."""
    d_z: tuple[int, ...] = (16, 32, 64, 128, 256, 512, 1024)
    """Embedding dimensions of the search space."""
    p_drop: tuple[float, float, float] = (0.1, 0.7, 0.05)
    """Lowest and highest drop probability of the search space, and the step between values."""
    step_size: tuple[float, float] = (1e-3, 0.5)
    """Range of Langevin step sizes, searched on a logarithmic scale."""
    step_sizes_per_encoder: int = Field(3, ge=1, le=100)
    """Number of successive trials that share one encoder and differ only in parameters that no encoder depends on, such
    as the Langevin step size.
    """
    space: dict[str, Range | Choices] | str = Field({})
    """Search space: values of any settings by their dotted names, as a list of values or as a range, such as
    {encoder.layers: [2, 4, 6], contrastive.learning_rate: {low: 1e-5, high: 1e-3, log: true}}; or module:name of a
    function of an Optuna trial that returns the settings by their dotted names (optuna.TrialPruned: no such
    combination). Empty: the three parameters of the paper, in the ranges `d_z`, `p_drop` and `step_size`.
    """
    start_from: str | None = None
    """Folder of another embedding scan whose best points are the first ones of this study, or the nearest points in
    this study's space; none: the first point is that of the settings.
    """
    start_points: int = Field(5, ge=0, le=100000)
    """Number of points that are taken from the study `start_from`; 0: those of all of its complete trials."""
    sampler: Literal["tpe", "random", "grid", "gp", "cmaes", "nsga2", "qmc"] = "tpe"
    """Sampler of Optuna that chooses the points. A trial may share another one's encoder with each but "grid"."""
    sampler_arguments: Arguments = Field({})
    """Arguments of the sampler's class in Optuna, such as {n_startup_trials: 20}."""
    pruner: Literal["asha", "halving", "hyperband", "median", "none"] = "asha"
    """Which trials are stopped early if `prune` is true: asynchronous successive halving on a trial's own epochs
    ("asha"), or Optuna's SuccessiveHalvingPruner, HyperbandPruner or MedianPruner.
    """
    pruner_arguments: Arguments = Field({})
    """Arguments of the pruner's class in Optuna, such as {n_warmup_steps: 10}."""
    objective: ObjectiveName = "matched"
    """Objective that is maximised on validation jets: "matched" (mean log of the pT-matched rejection at eps_S = 0.2
    over the signals), "raw" (the same unmatched, as in the paper), "worst" (worst signal), "leave_out:SIGNAL" (all
    but one), "signal_blind" (area under the ROC curve of background against its own anomalous views), or module:name
    of a user's function.
    """
    further_objectives: tuple[ObjectiveName, ...] = ()
    """Further objectives of the same search: other ones that are maximised, or the costs "seconds" (of a trial's
    trainings) and "parameters" (of its networks), which are minimised. The page shows the Pareto front of all; the
    trial with the largest `objective` is still called the best. Nothing is stopped early.
    """
    score: str = "s_NAE"
    """Score of a trial that the objectives evaluate: "s_NAE" (the energy), "s_AE" (that before contrastive divergence),
    "s_CLR" (the norm), or another detector without labels, such as "views_classifier", which each trial then fits as
    well. Trials are stopped early only for the first three. A finished study can be evaluated with other objectives and
    scores: what is trained stays.
    """
    seeds: int = Field(0, ge=0, le=1000)
    """Number of further seeds with which the best points are trained again after the search; their mean over these
    seeds selects the best point, since the best of many single runs is biased upwards. 0: the best single run.
    """
    repeated_points: int = Field(3, ge=1, le=1000)
    """Number of best points that are trained again with further seeds."""
    blind_families: tuple[str, ...] = Field(("dropping_floor", "branch_dropping", "cell_dropping"), min_length=1)
    """Families of views of the signal-blind objective (`darkclr_ray.augmentations.families`), the same for every trial.
    Trials are trained on independent dropping, and nothing is trained on the last two by default.
    """
    blind_p_drop: tuple[Probability, ...] = Field((0.15, 0.3, 0.45), min_length=1)
    """Drop probabilities in these views. With larger ones nearly every view is found, so that trials cannot be ranked.
    """
    delay: int = Field(8, ge=1, le=4096)
    """Distance in number from which on trials count: the point of a trial, and whether it is stopped early, depend on
    the results of trials that are at least this many numbers before it. So they are the same however many trials run
    at a time, which are at most this many.
    """
    prune: bool = True
    """Whether unpromising trials are stopped early; see `pruner`."""

    @field_validator("space", mode="before")
    @classmethod
    def _dotted_names(cls, value: Any) -> Any:
        return _flat(value) if isinstance(value, dict) else value

    @field_validator("space", "sampler_arguments", "pruner_arguments")
    @classmethod
    def _finite(cls, value: Any) -> Any:
        numbers = {} if isinstance(value, str) else {k: v for k, v in value.items() if not isinstance(v, Range)}
        json.dumps(numbers, allow_nan=False)
        return value

    @model_validator(mode="after")
    def _possible_ranges(self) -> SearchSettings:
        low, high, step = self.p_drop
        if not (0.0 <= low <= high < 1.0 and step > 0.0):
            raise ValueError(
                f"search.p_drop = {self.p_drop}: expected low, high, step with 0 <= low <= high < 1, step > 0"
            )
        if not 0.0 < self.step_size[0] <= self.step_size[1] <= 1e6:
            raise ValueError(
                f"search.step_size = {self.step_size}: expected two positive numbers up to 1e+06, the smaller first"
            )
        if not self.d_z or min(self.d_z) < 2 or max(self.d_z) > 4096:
            raise ValueError(f"search.d_z = {self.d_z}: expected dimensions from 2 to 4096")
        if len(set(self.d_z)) < len(self.d_z):
            raise ValueError(f"search.d_z = {self.d_z}: a dimension is there twice; say each once")
        return self


def _flat(space: dict[Any, Any], above: str = "") -> dict[str, Any]:
    """Return a search space by dotted names, whose names may be nested as in a file of settings.

    >>> _flat({"encoder": {"layers": [2, 4], "dropout": {"low": 0.0, "high": 0.3}}})
    {'encoder.layers': [2, 4], 'encoder.dropout': {'low': 0.0, 'high': 0.3}}
    """
    found: dict[str, Any] = {}
    for name, value in space.items():
        nested = isinstance(value, dict) and not value.keys() & Range.model_fields.keys()
        found |= _flat(value, f"{above}{name}.") if nested else {f"{above}{name}": value}
    return found
