"""Benchmark of the generation of jets, compared with the time of Pythia alone."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator

from darkclr_ray.benchmarks.result import OURS, Result
from darkclr_ray.benchmarks.timing import alternate
from darkclr_ray.jets.generation.generate import MOST_EVENTS, Generation, ShardTask, collisions_of, make_jets
from darkclr_ray.jets.generation.samples import parse_sample

JETS = {"qcd": 150, "aachen": 300}
PYTHIA = "Pythia"


def rows(repetitions: int) -> Iterator[Result]:
    """Yield results for one background and one signal sample on one core, including the start of Pythia."""
    if importlib.util.find_spec("pythia8mc") is None:
        yield Result("generation", "not run", "", None, note="pip install 'darkclr_ray[generate]'")
        return
    for name, jets in JETS.items():
        task = ShardTask(parse_sample(name), "test", 1, jets, Generation())
        events = make_jets(task)[1]["events"]

        def ours(task: ShardTask = task) -> float:
            return len(make_jets(task)[0])

        def pythia(task: ShardTask = task, events: int = events) -> float:
            """Generate the same events without further processing."""
            collisions = collisions_of(task)
            for first in range(0, events, MOST_EVENTS):
                collisions.record(min(MOST_EVENTS, events - first))
            return task.jets

        rates = alternate({OURS: ours, PYTHIA: pythia}, repetitions)
        yield Result(
            "generation",
            f"{name}, one core",
            "jets/s",
            rates[OURS],
            limit=rates.ratio(OURS, PYTHIA),
            aim="95% inside Pythia",
            note="of limit: share of the time that Pythia alone takes for the same events",
        )
