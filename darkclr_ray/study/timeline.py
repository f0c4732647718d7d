"""Timeline of the trials of a search on its worker groups, without the time between two runs of the study."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from darkclr_ray.study.records import State, TrialRecord


@dataclass(frozen=True)
class Bar:
    """A trial on the timeline.

    Attributes:
        number, state: of the trial.
        start, end: seconds since the first trial started, in which trials were running or about to.
        worker_group: number of its worker group.
    """

    number: int
    state: State
    start: float
    end: float
    worker_group: int


@dataclass(frozen=True)
class Timeline:
    """Bars of the trials whose time was recorded, by their start, and the times of interruptions of the study."""

    bars: list[Bar]
    interruptions: list[float]


def timeline(trials: Sequence[TrialRecord]) -> Timeline:
    """Return the timeline of trials; gaps that are longer than the longest trial are taken for interruptions.

    An interruption has no length on the timeline.
    """
    known = [(trial, trial.execution) for trial in trials if trial.execution is not None]
    known.sort(key=lambda one: one[1].started)
    longest = max(((run.ended - run.started).total_seconds() for _, run in known), default=0.0)
    bars: list[Bar] = []
    interruptions: list[float] = []
    removed = 0.0
    for trial, run in known:
        start = (run.started - known[0][1].started).total_seconds() - removed
        last = max((bar.end for bar in bars), default=start)
        if start - last > longest:
            removed, start = removed + start - last, last
            interruptions.append(last)
        end = start + (run.ended - run.started).total_seconds()
        bars.append(Bar(trial.number, trial.state, start, end, run.worker_group))
    return Timeline(bars, interruptions)
