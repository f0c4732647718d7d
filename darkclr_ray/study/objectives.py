"""Objectives of a search, computed from validation jets only: five by name, or a function of the user.

Those with a name are means of ln of background rejections at eps_S = 0.2 (`Evaluation.log_rejection`), but for the
signal-blind one. That is an area, on which all background jets have a say: a rejection rests on a handful of them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Literal

from darkclr_ray import plugins
from darkclr_ray.evaluation.rejection import Evaluation
from darkclr_ray.messages import nearest
from darkclr_ray.settings import SearchSettings
from darkclr_ray.study.records import TrialRecord

COSTS = ("seconds", "parameters")
"""Objectives that are minimised: seconds of a trial's trainings (shared ones included), parameters of its networks."""

NAMED = ("matched", "raw", "worst", "signal_blind", "leave_out:SIGNAL")


@dataclass(frozen=True)
class ObjectiveInput:
    """Input of an objective: one score of one trial on validation jets.

    Attributes:
        signals: the score's evaluation on each signal.
        blind: its evaluation on background jets against anomalous views of the same jets, of the families
            `search.blind_families` at the drop probabilities `search.blind_p_drop`: no signal in it.
    """

    signals: Mapping[str, Evaluation]
    blind: Evaluation


Direction = Literal["maximize", "minimize"]

Objective = Callable[[ObjectiveInput], float]
"""Function that returns a number, higher is better, or nan if it is undefined."""


def find(name: str, signals: Sequence[str]) -> Objective:
    """Return the objective that a study's settings name.

    Args:
        name: one of `NAMED`, or a function of a `ObjectiveInput` by module:name or entry point (`darkclr_ray.plugins`).
        signals: names of the signals of the study.

    Raises:
        ValueError: there is no such objective, signal, module or function.
    """
    check(name, signals)
    if name == "matched":
        return lambda given: fmean([e.log_rejection("matched") for e in given.signals.values()])
    if name == "raw":
        return lambda given: fmean([e.log_rejection("raw") for e in given.signals.values()])
    if name == "worst":
        return lambda given: min(e.log_rejection("matched") for e in given.signals.values())
    if name == "signal_blind":
        return lambda given: given.blind.raw.auc
    module, _, attribute = name.partition(":")
    if module == "leave_out":
        return lambda given: fmean([e.log_rejection("matched") for s, e in given.signals.items() if s != attribute])
    try:
        function = plugins.find("objectives", name, {})
    except ValueError as error:
        raise ValueError(f"search.objective = {name}: {error}") from error
    if not callable(function):
        raise ValueError(f"search.objective = {name}: it is not a function")
    return lambda given: float(function(given))


def check(name: str, signals: Sequence[str] | None = None) -> None:
    """Raise ValueError for an impossible objective, without importing a user's module."""
    first, colon, rest = name.partition(":")
    if not colon:
        known = [*NAMED, *plugins.names("objectives")]
        if name not in known or name == NAMED[4]:
            raise ValueError(f"search.objective = {name}: unknown objective{nearest(name, [*known, 'module:name'])}")
    elif first == "leave_out":
        if signals is not None and rest not in signals:
            raise ValueError(f"search.objective = {name}: no such signal among these jets{nearest(rest, signals)}")
        if signals is not None and len(signals) < 2:
            raise ValueError(f"search.objective = {name}: leaves no signal at all; these jets have {signals[0]} only")
    elif not rest or not all(part.isidentifier() for part in (*first.split("."), rest)):
        raise ValueError(f"search.objective = {name}: expected module:name of a function, such as my_objectives:median")


def check_all(search: SearchSettings, signals: Sequence[str] | None = None) -> None:
    """Raise ValueError for objectives that cannot be, see `check`, or that contradict each other."""
    for name in (search.objective, *search.further_objectives):
        if name not in COSTS:
            check(name, signals)
    if search.objective in COSTS:
        raise ValueError(
            f"search.objective = {search.objective}: a cost alone has its best trial in the worst detector; name it in "
            f"search.further_objectives"
        )
    if search.objective in search.further_objectives or len(set(search.further_objectives)) < len(
        search.further_objectives
    ):
        raise ValueError("search.further_objectives: an objective is there twice; name each once")
    if search.further_objectives and search.sampler == "cmaes":
        raise ValueError("search.sampler = cmaes: has one objective only; take nsga2, tpe or gp for several")


def directions(search: SearchSettings) -> list[Direction]:
    """Return Optuna's direction of each objective.

    >>> directions(SearchSettings(further_objectives=["seconds"]))
    ['maximize', 'minimize']
    """
    names = (search.objective, *search.further_objectives)
    return ["minimize" if name in COSTS else "maximize" for name in names]


def values(objectives: Mapping[str, float | None], search: SearchSettings) -> list[float | None]:
    """Return the values of a study's objectives in their order; None for those that could not be computed."""
    return [objectives.get(name) for name in (search.objective, *search.further_objectives)]


def criteria_of(search: SearchSettings, signals: Sequence[str]) -> list[str]:
    """Return the criteria that rank a study's trials: the objectives, the score and the signals."""
    return [search.objective, *search.further_objectives, search.score, *signals]


def is_current(record: TrialRecord, search: SearchSettings, score: str, signals: Sequence[str]) -> bool:
    """Return whether the record of a complete trial is about the objectives, score and signals that a study has now.

    Args:
        record: record of the trial.
        search: settings of the search.
        score: name of the evaluated score.
        signals: that the study has.
    """
    found = values(record.objectives, search)
    same = record.objective == found[0] and None not in found
    return same and record.score == score and set(signals) <= record.test.get(score, {}).keys()


def all_named(signals: Sequence[str], chosen: str, *further: str) -> tuple[str, ...]:
    """Return the names of all objectives that can be computed with these signals, and of the chosen ones but costs."""
    left_out = [f"leave_out:{signal}" for signal in signals] if len(signals) > 1 else []
    return tuple(dict.fromkeys([*NAMED[:4], *left_out, chosen, *(name for name in further if name not in COSTS)]))
