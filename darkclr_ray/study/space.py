"""The search space of a study: how a trial draws its point, and which parameters determine its encoder."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any

import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution
from optuna.samplers import RandomSampler
from optuna.trial import BaseTrial, FixedTrial, FrozenTrial
from pydantic import ValidationError
from pydantic.fields import FieldInfo

from darkclr_ray import plugins
from darkclr_ray.field_types import check_kind, is_mapping, kind_of, kinds, leaves
from darkclr_ray.jets.generation.samples import format_validation_error
from darkclr_ray.messages import shown, suggestion
from darkclr_ray.settings import Range, SearchSettings, StudySettings
from darkclr_ray.store.stages import content_hash
from darkclr_ray.study.folder import StudyFolder
from darkclr_ray.study.jobs import trial_settings
from darkclr_ray.study.records import TrialRecord

NOT_OF_A_TRIAL = ("name", "out", "jets", "background", "seed", "search", "comparison", "compute", "tracking")
"""Settings and groups that cannot be searched: no trial depends on them, or all trials share them."""

DRY_RUNS = 20
"""Number of points that are drawn from a user's function before a study starts, to see whether it works."""

Function = Callable[[BaseTrial], Mapping[str, Any]]


class ImpossiblePoint(ValueError):
    """A point of the search space that is no valid combination of settings."""


class Space:
    """The search space of a study.

    Args:
        settings: of the study.
        sample: fingerprint of the background jets that encoders are trained on.

    Raises:
        ValueError: a name, a value or the function of the search space is invalid.
    """

    def __init__(self, settings: StudySettings, sample: str = "") -> None:
        self.settings, self.sample = settings, sample
        self._encoders: dict[str, str | None] = {}
        space = settings.search.space
        self._values: Function
        if isinstance(space, str):
            self._values = _function(space)
        elif space:
            fields = {name: setting(name) for name in space}
            self._values = lambda trial: {name: _suggest(trial, name, space[name], fields[name]) for name in space}
        else:
            self._values = lambda trial: _paper(trial, settings)

    def draw(self, trial: BaseTrial) -> dict[str, Any]:
        """Return a trial's parameters: JSON values by dotted names of settings, or by `PAPER_PARAMETERS`.

        What the trial has drawn before stays.

        Raises:
            ImpossiblePoint: the values are no valid combination of settings, or the user's function refuses them.
        """
        try:
            parameters = dict(self._values(trial))
            trial_settings(self.settings, parameters)
        except optuna.TrialPruned as refusal:
            raise ImpossiblePoint(str(refusal) or "the search space has no such combination") from None
        except ValidationError as error:
            raise ImpossiblePoint(format_validation_error(error)) from None
        return parameters

    def distributions(self, params: Mapping[str, Any]) -> dict[str, BaseDistribution]:
        """Return the distribution of each parameter that a trial with these Optuna parameters has drawn.

        >>> point = {"d_z": 64, "p_drop": 0.5, "step_size": 0.1}
        >>> Space(StudySettings()).distributions(point)["p_drop"]
        FloatDistribution(high=0.7, log=False, low=0.1, step=0.05)
        """
        trial = FixedTrial(dict(params))
        try:
            self._values(trial)
        except optuna.TrialPruned:
            pass
        except ValueError:  # a parameter is missing: the trial was cut off while it was drawn
            pass
        return trial.distributions

    def first_point(self) -> dict[str, Any]:
        """Return the Optuna parameters of the settings themselves, or the nearest ones in the space.

        Empty if a user's function defines the space.

        >>> Space(StudySettings()).first_point()
        {'d_z': 512, 'p_drop': 0.5, 'step_size': 0.05}
        """
        return self.nearest(self.settings)

    def nearest(self, settings: StudySettings) -> dict[str, Any]:
        """Return the Optuna parameters of the point that is nearest to these settings; see `first_point`."""
        space = self.settings.search.space
        if isinstance(space, str):
            return {}
        if not space:
            return _papers_point(settings, self.settings.search)
        values = json.loads(settings.model_dump_json())
        return {name: _nearest(name, dimension, _at(values, name)) for name, dimension in space.items()}

    def initial_points(self) -> list[dict[str, Any]]:
        """Return the Optuna parameters of the first trials: `first_point`, and those from `search.start_from`.

        Raises:
            ValueError: `search.start_from` is no embedding scan, or has no complete trial.
        """
        points = [self.first_point()]
        if self.settings.search.start_from is not None:
            points += [point for point in self._points_of_another() if point]
        return [point for number, point in enumerate(points) if point not in points[:number]]

    def _points_of_another(self) -> list[dict[str, Any]]:
        search = self.settings.search
        assert search.start_from is not None
        folder = StudyFolder(Path(search.start_from))
        about = folder.about()
        if about is None or about.kind != "embedding_scan":
            raise ValueError(f"search.start_from = {search.start_from}: expected the folder of an embedding scan")
        complete = [record for record in folder.trial_records() if record.state == "COMPLETE"]
        if not complete:
            raise ValueError(f"search.start_from = {search.start_from}: no trial of it is complete yet")

        def value(record: TrialRecord) -> float:
            found = record.objectives.get(search.objective)
            return float((record.objective or 0.0) if found is None else found)

        best = sorted(complete, key=lambda record: (-value(record), record.number))
        theirs = folder.settings()
        if isinstance(search.space, str):
            points = [record.optuna.params for record in best] if theirs.search.space == search.space else []
        else:
            points = [self.nearest(trial_settings(theirs, record.parameters)) for record in best]
        return points[: search.start_points or None]

    def encoder(self, parameters: Mapping[str, Any]) -> str:
        """Return the hash of all values that determine the encoder at a point; equal hashes share an encoder."""
        from darkclr_ray.training.contrastive import encoder_key  # torch, which the check of a study does not need

        at = trial_settings(self.settings, parameters)
        key = encoder_key(
            self.sample,
            "",  # the same for all trials
            encoder=at.encoder,
            contrastive=at.contrastive,
            views=at.views,
            inputs=at.inputs,
            seed=at.seed,
        )
        return content_hash(key)

    def encoder_of(self, params: Mapping[str, Any]) -> str | None:
        """Return `encoder` for a trial's Optuna parameters; None if they are incomplete or impossible."""
        text = json.dumps(params, sort_keys=True)
        if text not in self._encoders:
            try:
                self._encoders[text] = self.encoder(self.draw(FixedTrial(dict(params))))
            except ValueError:
                self._encoders[text] = None
        return self._encoders[text]

    def encoder_params(self, trial: FrozenTrial) -> dict[str, Any]:
        """Return those of a trial's Optuna parameters that change its encoder, each by itself."""
        own = self.encoder_of(trial.params)

        def shared(name: str, value: Any) -> bool:
            others = _others(trial.distributions[name], value)
            return all(self.encoder_of({**trial.params, name: other}) == own for other in others)

        return {name: value for name, value in trial.params.items() if not shared(name, value)}

    def grid(self) -> dict[str, list[Any]]:
        """Return all values of each parameter. Raises ValueError if one has no finite number of them."""
        if isinstance(self.settings.search.space, str):
            raise ValueError("search.sampler = grid: needs a search space with names and values, not a function")
        found: dict[str, list[Any]] = {}
        for name, distribution in self.distributions(self.first_point()).items():
            if isinstance(distribution, CategoricalDistribution):
                found[name] = list(distribution.choices)
                continue
            low, high, step = (getattr(distribution, part) for part in ("low", "high", "step"))
            if step is None or getattr(distribution, "log", False):
                raise ValueError(
                    f"search.sampler = grid: {name} has a continuous range; give it a step or a list of values in "
                    f"search.space"
                )
            found[name] = [low + number * step for number in range(math.floor(round((high - low) / step, 9)) + 1)]
        return found

    def check(self) -> None:
        """Raise ValueError for a value that its setting does not accept, or a function that gives no valid settings."""
        space = self.settings.search.space
        if isinstance(space, str):
            self._try_function(space)
            return
        for name, dimension in space.items():
            _nearest(name, dimension, None)
            alone = sum(other.rpartition(".")[0] == name.rpartition(".")[0] for other in space) == 1
            values = (dimension.low, dimension.high) if isinstance(dimension, Range) else dimension
            for value in values:
                self._check_value(name, value, alone)

    def _check_value(self, name: str, value: Any, alone: bool) -> None:
        """Check one value of a dimension; combinations with others only if it is ``alone`` in its group."""
        where = f"search.space.{name}"
        check_kind(value, setting(name), f"{where} = {shown(value)}")
        try:
            trial_settings(self.settings, {name: value})
        except ValidationError as error:
            path = name.split(".")
            own = [one for one in error.errors() if [str(part) for part in one["loc"][: len(path)]] == path]
            if own or alone:
                message = (own or error.errors())[0]["msg"].removeprefix("Value error, ")
                raise ValueError(f"{where} = {shown(value)}: {message[0].lower() + message[1:]}") from None

    def _try_function(self, name: str) -> None:
        study = optuna.create_study(sampler=RandomSampler(seed=self.settings.seed))
        refusal = ""
        possible = 0
        for _ in range(DRY_RUNS):
            try:
                self.draw(study.ask())
                possible += 1
            except ImpossiblePoint as error:
                refusal = str(error)
            except Exception as error:
                raise ValueError(f"search.space = {name}: {plugins.words(error)}") from error
        if not possible:
            raise ValueError(f"search.space = {name}: none of {DRY_RUNS} points is possible: {refusal}")


def setting(name: str) -> FieldInfo:
    """Return a setting that can be searched, by its dotted name. Raises ValueError for any other name."""
    fields = {known: field for known, field in leaves(StudySettings) if known.split(".")[0] not in NOT_OF_A_TRIAL}
    if name in fields:
        return fields[name]
    for known, field in fields.items():
        if is_mapping(field) and name.startswith(f"{known}."):
            return FieldInfo(annotation=Any)
    if name.split(".")[0] in NOT_OF_A_TRIAL:
        raise ValueError(f"search.space.{name}: no trial depends on this setting, or all trials share it")
    raise ValueError(f"search.space.{name}: unknown setting{suggestion(name, list(fields))}")


def _function(name: str) -> Function:
    if ":" not in name:
        raise ValueError(
            f"search.space = {name}: expected names and values of settings, or module:name of a function of a trial"
        )
    try:
        function = plugins.find("spaces", name, {})
    except ValueError as error:
        raise ValueError(f"search.space = {name}: {error}") from error
    if not callable(function):
        raise ValueError(f"search.space = {name}: it is not a function")

    def values(trial: BaseTrial) -> Mapping[str, Any]:
        found = function(trial)
        if not isinstance(found, Mapping) or not all(isinstance(key, str) for key in found):
            raise TypeError(f"the function returned {shown(found)} instead of settings by their dotted names")
        for key in found:
            setting(key)
        return json.loads(json.dumps(dict(found)))  # type: ignore[no-any-return]

    return values


def _suggest(trial: BaseTrial, name: str, dimension: Range | tuple[Any, ...], field: FieldInfo) -> Any:
    if not isinstance(dimension, Range):
        texts = _texts(name, dimension)
        return texts[trial.suggest_categorical(name, list(texts))]
    low, high, step = dimension.low, dimension.high, dimension.step
    if _is_integer(name, dimension, field):
        return trial.suggest_int(name, int(low), int(high), step=int(step or 1), log=dimension.log)
    if step is None:
        return trial.suggest_float(name, low, high, log=dimension.log)
    return float(f"{trial.suggest_float(name, low, _last(low, high, step), step=step):.12g}")


def _texts(name: str, choices: Collection[Any]) -> dict[Any, Any]:
    """Return what Optuna stores for each value: numbers and words as they are, lists as JSON."""
    texts = {json.dumps(value) if isinstance(value, list | dict) else value: value for value in choices}
    if len(texts) < len(choices):
        raise ValueError(f"search.space.{name} = {shown(list(choices))}: a value is there twice; name each once")
    return texts


def _is_integer(name: str, dimension: Range, field: FieldInfo) -> bool:
    """Return whether a range is one of integers. Raises ValueError for a setting that is no number."""
    accepted = kinds(field.annotation)
    if float in accepted or Any in accepted:
        return False
    if int not in accepted:
        raise ValueError(
            f"search.space.{name}: a range needs a number, and the setting is {kind_of(field)}; list values"
        )
    ends = (dimension.low, dimension.high, *([dimension.step] if dimension.step is not None else []))
    if not all(float(end).is_integer() for end in ends):
        raise ValueError(f"search.space.{name}: the setting is an integer; its range needs integers, too")
    return True


def _last(low: float, high: float, step: float) -> float:
    """Return the largest value of a range on one of its steps.

    >>> _last(0.3, 0.45, 0.1)
    0.4
    """
    return round(low + math.floor(round((high - low) / step, 9)) * step, 10)


def _paper(trial: BaseTrial, settings: StudySettings) -> dict[str, Any]:
    """Return a point of the paper's parameters: d_z by category, p_drop in steps, the step size on a log scale."""
    search = settings.search
    low, high, step = search.p_drop
    d_z = trial.suggest_categorical("d_z", search.d_z)
    p_drop = trial.suggest_float("p_drop", low, _last(low, high, step), step=step)
    step_size = trial.suggest_float("step_size", *search.step_size, log=True)
    return {"d_z": d_z, "p_drop": round(p_drop, 10), "step_size": step_size}  # Optuna's steps have rounding errors


def _papers_point(settings: StudySettings, search: SearchSettings) -> dict[str, Any]:
    low, high, step = search.p_drop
    p_drop = settings.views.p_drop if isinstance(settings.views.p_drop, float) else sum(settings.views.p_drop) / 2
    return {
        "d_z": min(search.d_z, key=lambda d_z: abs(math.log(d_z / settings.encoder.d_z))),
        "p_drop": _on_step(p_drop, low, high, step),
        "step_size": min(max(settings.nae.step_size, search.step_size[0]), search.step_size[1]),
    }


def _on_step(value: float, low: float, high: float, step: float) -> float:
    steps = min(round((value - low) / step), math.floor(round((high - low) / step, 9)))
    return round(low + max(0, steps) * step, 10)


def _nearest(name: str, dimension: Range | tuple[Any, ...], value: Any) -> Any:
    """Return the Optuna parameter of a dimension that is nearest to a setting's own value."""
    if not isinstance(dimension, Range):
        texts = _texts(name, dimension)
        same = [text for text, choice in texts.items() if choice == value]
        number = isinstance(value, int | float) and all(isinstance(choice, int | float) for choice in dimension)
        return (same or [min(texts, key=lambda text: abs(text - value)) if number else next(iter(texts))])[0]
    middle = (sum(value) / len(value) if isinstance(value, list) and value else value) or 0.0
    inside = min(max(float(middle), dimension.low), dimension.high)
    if _is_integer(name, dimension, setting(name)):
        return int(_on_step(inside, dimension.low, dimension.high, dimension.step or 1))
    return inside if dimension.step is None else _on_step(inside, dimension.low, dimension.high, dimension.step)


def _at(values: Any, name: str) -> Any:
    for part in name.split("."):
        values = values.get(part) if isinstance(values, dict) else None
    return values


def _others(distribution: BaseDistribution, value: Any) -> list[Any]:
    """Return other values of a parameter: all categories, or the ends of a range."""
    if isinstance(distribution, CategoricalDistribution):
        return [choice for choice in distribution.choices if choice != value]
    ends = (getattr(distribution, "low"), getattr(distribution, "high"))  # noqa: B009
    return [end for end in ends if end != value]
