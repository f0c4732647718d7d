"""Ways of doing the same thing, timed in turn: what else the machine does hits all of them alike."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from statistics import median

import torch

Action = Callable[[], float]
"""Does some work, and says how much it was (jets, steps, bytes)."""


@dataclass(frozen=True)
class Rates:
    """Work a second of several ways, a number for each repetition.

    Attributes:
        measured: way -> rates, in the order of the repetitions.
    """

    measured: Mapping[str, tuple[float, ...]]

    def __getitem__(self, way: str) -> float:
        """Median rate of a way."""
        return median(self.measured[way])

    def ratio(self, way: str, other: str) -> float:
        """Median over the repetitions of the rate of one way over that of another just beside it.

        >>> Rates({"ours": (4.0, 2.0, 9.0), "plain": (2.0, 1.0, 3.0)}).ratio("ours", "plain")
        2.0
        """
        return median(a / b for a, b in zip(self.measured[way], self.measured[other], strict=True))


def alternate(ways: Mapping[str, Action], repetitions: int, *, least: float = 0.3) -> Rates:
    """Rates of all ways: each for a while to warm up, then ``repetitions`` rounds of all of them.

    Args:
        ways: name -> action.
        repetitions: rounds, at least 1.
        least: seconds of one measurement, at the least; a short action is done several times.
    """
    times = {}
    for name, action in ways.items():
        seconds_of(action, 1)
        known = [seconds_of(action, 1)[0]]
        while sum(known) < least / 2:  # a single short one may be anything
            known.append(seconds_of(action, 1)[0])
        times[name] = max(1, round(least / median(known)))
    measured: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(repetitions):
        for name, action in ways.items():
            seconds, work = seconds_of(action, times[name])
            measured[name].append(work / seconds)
    return Rates({name: tuple(rates) for name, rates in measured.items()})


clock = time.perf_counter
"""What seconds are taken from. `time.process_time` counts this process's own, whatever else the machine does; with one
thread of torch it gives the rates of a machine at rest."""


def seconds_of(action: Action, times: int) -> tuple[float, float]:
    """Seconds and work of doing something some times; a GPU is waited for."""
    started = clock()
    work = sum(action() for _ in range(times))
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return clock() - started, work
