"""Measure the rejection that is lost when settings are selected on other signals instead of on the signal itself.

All selections choose among the same trials of a search on validation jets; the selected trials are compared on test
jets.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Protocol

from darkclr_ray.evaluation.rejection import Evaluation, Performance

Evaluations = Mapping[str, Mapping[str, Evaluation]]
"""Evaluations by detector and signal."""


class Trial(Protocol):
    """Trial of a search, with its evaluations on validation and on test jets."""

    @property
    def number(self) -> int: ...
    @property
    def state(self) -> str: ...
    @property
    def parameters(self) -> Mapping[str, Any]: ...
    @property
    def objectives(self) -> Mapping[str, float | None]: ...
    @property
    def validation(self) -> Evaluations: ...
    @property
    def test(self) -> Evaluations: ...


@dataclass(frozen=True)
class Choice:
    """Selected trial, and its rejections on test jets of the signal.

    Attributes:
        trial: number of the trial.
        parameters: its settings.
        objective: value that was maximised by the selection.
        raw, raw_low, raw_high, matched, matched_low, matched_high: rejection with its interval from the bootstrap,
            without and with pT matching; an end of None is unbounded.
        raw_bound, matched_bound: whether the rejection is only a lower bound.
    """

    trial: int
    parameters: Mapping[str, Any]
    objective: float
    raw: float
    raw_low: float
    raw_high: float | None
    raw_bound: bool
    matched: float
    matched_low: float
    matched_high: float | None
    matched_bound: bool


@dataclass(frozen=True)
class LeftOut:
    """Trials that three ways of selection choose for one signal.

    Attributes:
        signal: name of the signal.
        left_out: the best trial on the other signals, by the mean ln of their matched rejections.
        oracle: the best trial on this signal, by its matched rejection.
        signal_blind: the best trial on background against its own anomalous views, without any signal; None if the
            trials have no such objective.
        loss: matched rejection of the oracle's choice over that of ``left_out``, on test jets. It can be below 1, since
            the oracle selects on validation jets. A cut that less than one background jet survives (``matched_bound``)
            counts as if one jet did, as in `Evaluation.log_rejection`, because a ratio of lower bounds is meaningless.
    """

    signal: str
    left_out: Choice
    oracle: Choice
    signal_blind: Choice | None
    loss: float

    def to_json(self) -> dict[str, Any]:
        """Return a dictionary for json.dumps."""
        return asdict(self)


def leave_one_out(trials: Sequence[Trial], *, score: str = "s_NAE", eps_s: float = 0.2) -> tuple[LeftOut, ...]:
    """Compare the selections for each signal of a search; among equal trials the first is selected.

    Args:
        trials: trials of an embedding scan; incomplete ones are ignored.
        score: name of the detector whose rejections are compared.
        eps_s: signal efficiency of the rejections.

    Raises:
        ValueError: no complete trial has this score, or there are fewer than two signals.
    """
    complete = sorted(
        (trial for trial in trials if trial.state == "COMPLETE" and score in trial.test),
        key=lambda trial: trial.number,
    )
    if not complete:
        raise ValueError(f"of {len(trials)} trials none is complete with a score {score!r}: nothing to choose from")
    signals = list(complete[0].test[score])
    if len(signals) < 2:
        raise ValueError(f"one signal ({signals[0]}): leaving it out leaves nothing to select on")

    seen = [
        {signal: trial.validation[score][signal].log_rejection("matched", eps_s) for signal in signals}
        for trial in complete
    ]
    values = [trial.objectives.get("signal_blind") for trial in complete]
    blind = [value for value in values if value is not None]
    results = []
    for signal in signals:
        test = [trial.test[score][signal] for trial in complete]

        def best(worth: Sequence[float], test: Sequence[Evaluation] = test) -> tuple[Choice, float]:
            """The choice, and its merit on test jets."""
            place = max(range(len(complete)), key=lambda at: worth[at])
            choice = _choice(complete[place], worth[place], test[place], eps_s)
            return choice, test[place].log_rejection("matched", eps_s)

        others = [[value for other, value in values.items() if other != signal] for values in seen]
        left_out, reached = best([math.fsum(some) / len(some) for some in others])
        oracle, reachable = best([one[signal] for one in seen])
        results.append(
            LeftOut(
                signal=signal,
                left_out=left_out,
                oracle=oracle,
                signal_blind=best(blind)[0] if len(blind) == len(complete) else None,
                loss=math.exp(reachable - reached),
            )
        )
    return tuple(results)


def _choice(trial: Trial, objective: float, evaluation: Evaluation, eps_s: float) -> Choice:
    def ends(side: Performance) -> tuple[float, float, float | None, bool]:
        rejection = side.at(eps_s)
        return rejection.value, rejection.bootstrap_low, rejection.bootstrap_high, rejection.lower_bound

    return Choice(trial.number, dict(trial.parameters), objective, *ends(evaluation.raw), *ends(evaluation.matched))
