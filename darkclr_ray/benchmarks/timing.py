"""Timing of several implementations in turn, so that other load on the machine affects all of them equally."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from statistics import median

import torch

Action = Callable[[], float]
"""Function that does some work and returns its amount (jets, steps, bytes)."""


@dataclass(frozen=True)
class Rates:
    """Rates (work per second) of several implementations, one number for each repetition.

    Attributes:
        measured: mapping from implementation to its rates in the order of the repetitions.
    """

    measured: Mapping[str, tuple[float, ...]]

    def __getitem__(self, way: str) -> float:
        """Return the median rate of an implementation."""
        return median(self.measured[way])

    def ratio(self, way: str, other: str) -> float:
        """Return the median over the repetitions of the ratio of two implementations' rates.

        >>> Rates({"ours": (4.0, 2.0, 9.0), "plain": (2.0, 1.0, 3.0)}).ratio("ours", "plain")
        2.0
        """
        return median(a / b for a, b in zip(self.measured[way], self.measured[other], strict=True))


def alternate(ways: Mapping[str, Action], repetitions: int, *, least: float = 0.3) -> Rates:
    """Return the rates of all implementations, measured in ``repetitions`` rounds after a warm-up of each.

    Args:
        ways: mapping from the name of an implementation to its action.
        repetitions: number of rounds, at least 1.
        least: smallest duration of one measurement in seconds; a short action is repeated.
    """
    times = {}
    for name, action in ways.items():
        seconds_of(action, 1)
        known = [seconds_of(action, 1)[0]]
        while sum(known) < least / 2:  # a single short measurement is unreliable
            known.append(seconds_of(action, 1)[0])
        times[name] = max(1, round(least / median(known)))
    measured: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(repetitions):
        for name, action in ways.items():
            seconds, work = seconds_of(action, times[name])
            measured[name].append(work / seconds)
    return Rates({name: tuple(rates) for name, rates in measured.items()})


clock = time.perf_counter
"""Clock of the measurements. `time.process_time` counts only the processor time of this process; with one thread of
torch it gives the rates of an otherwise idle machine."""


def seconds_of(action: Action, times: int) -> tuple[float, float]:
    """Return the seconds and the work of repeating an action; a GPU is synchronised before the clock is read."""
    started = clock()
    work = sum(action() for _ in range(times))
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return clock() - started, work
