"""Generation: how much of it is Pythia itself."""

from __future__ import annotations

import cProfile
import importlib.util
import pstats
from collections.abc import Iterator

from darkclr_ray.benchmarks.row import Row
from darkclr_ray.jets.generation import Generation, ShardTask, make_jets
from darkclr_ray.jets.samples import parse_sample

JETS = {"qcd": 150, "aachen": 300}


def rows(repetitions: int) -> Iterator[Row]:
    """One core, one sample of background and one of signal; start of Pythia included."""
    if importlib.util.find_spec("pythia8mc") is None:
        yield Row("generation", "not run", "", None, note="pip install 'darkclr_ray[generate]'")
        return
    make_jets(ShardTask(parse_sample("aachen"), "test", 0, 1, Generation()))  # imports
    for name, jets in JETS.items():
        profile = cProfile.Profile()
        profile.runcall(make_jets, ShardTask(parse_sample(name), "test", 1, jets, Generation()))
        stats = pstats.Stats(profile)
        times = stats.stats.items()  # type: ignore[attr-defined]
        inside = sum(
            own for (_, _, function), (_, _, own, _, _) in times if "nextBatch" in function or "init" in function
        )
        total = stats.total_tt  # type: ignore[attr-defined]
        yield Row(
            "generation",
            f"{name}, one core",
            "jets/s",
            jets / total,
            limit=inside / total,
            aim="95% inside Pythia",
            note="of limit: share of the time inside Pythia",
        )
