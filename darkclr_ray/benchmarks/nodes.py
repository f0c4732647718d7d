"""Benchmark of generation and of a study on two nodes of one core each, compared with one such node.

The driver and Ray's own processes share the cores.
"""

from __future__ import annotations

import contextlib
import io
import os
import tempfile
import time
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

from darkclr_ray.benchmarks.result import Result
from darkclr_ray.jets.generation.generate import Generation, ShardTask, generate
from darkclr_ray.jets.generation.samples import parse_sample
from darkclr_ray.presets import preset
from darkclr_ray.runtime.cluster import RAY_ENV
from darkclr_ray.runtime.generation import on_ray

NODES = (1, 2)
LOGICAL = 2
"""Number of CPUs that a node reports: one for a training worker and one for its data workers."""
SHARDS, JETS_A_SHARD = 8, 150
STUDY = {
    "contrastive": {"epochs": 4},
    "search": {"trials": 4, "step_sizes_per_encoder": 1, "prune": False},
}
"""Settings of a study with four encoders, each trained for about half as long as in the laptop preset."""


def rows(repetitions: int) -> Iterator[Result]:
    """Yield the results, each measured once since it takes minutes; ``repetitions`` is not used."""
    cores = sorted(os.sched_getaffinity(0))
    if len(cores) < max(NODES):
        yield Result("nodes", "not run", "", None, note=f"this needs {max(NODES)} cores")
        return
    first: dict[str, float] = {}
    for count in NODES:
        with tempfile.TemporaryDirectory() as temporary, nodes(cores[:count]) as address:
            for name, unit, work in (("generation", "jets/s", generated), ("study", "trials/min", studied)):
                started, used = time.perf_counter(), busy()
                done = work(Path(temporary), address)
                seconds = time.perf_counter() - started
                rate = done / seconds
                share = (busy() - used) / seconds
                first.setdefault(name, rate)
                yield Result(
                    "nodes",
                    f"{name}, {count} of one core",
                    unit,
                    rate * (60 if unit.endswith("min") else 1),
                    ratio=rate / first[name],
                    note=f"ratio: to one node; {name} on {count}: {seconds:.0f} s, {share:.2f} cores busy, with driver "
                    "and Ray's own processes, which share them",
                )


@contextlib.contextmanager
def nodes(cores: Sequence[int]) -> Iterator[str]:
    """Start a Ray cluster with a head that has no CPUs and a node on each of the cores; yield its address."""
    for name, value in RAY_ENV.items():
        os.environ.setdefault(name, value)
    from ray.cluster_utils import Cluster

    everywhere = os.sched_getaffinity(0)
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": True})
    try:
        for core in cores:
            os.sched_setaffinity(0, {core})  # child processes inherit the core
            cluster.add_node(num_cpus=LOGICAL, object_store_memory=400_000_000)
        os.sched_setaffinity(0, everywhere)
        yield str(cluster.address)
    finally:
        os.sched_setaffinity(0, everywhere)
        cluster.shutdown()  # type: ignore[no-untyped-call]


def generated(folder: Path, address: str) -> float:
    """Generate jets of the Aachen benchmark and return their number."""
    sample, settings = parse_sample("aachen"), Generation()
    tasks = [ShardTask(sample, "test", shard, JETS_A_SHARD, settings) for shard in range(SHARDS)]
    with contextlib.redirect_stderr(io.StringIO()), contextlib.redirect_stdout(io.StringIO()):
        generate(tasks, folder / "jets", partial(on_ray, address=address))
    return SHARDS * JETS_A_SHARD


def studied(folder: Path, address: str) -> float:
    """Run a study with its references and return its number of trials; raise RuntimeError if it fails."""
    from darkclr_ray.reports import build
    from darkclr_ray.study.run import run
    from darkclr_ray.study.scan import EmbeddingScan

    settings = preset("laptop").updated({**STUDY, "out": str(folder), "compute": {"address": address}})
    with contextlib.redirect_stdout(io.StringIO()) as said:
        if run(EmbeddingScan(settings, "laptop", ["throughput"]), build):
            raise RuntimeError(f"the study failed: {said.getvalue()}")
    return settings.search.trials


def busy() -> float:
    """Return the busy seconds of all processors of this machine since it started."""
    with open("/proc/stat", encoding="ascii") as lines:
        user, nice, system, _, _, irq, softirq, *_ = map(int, lines.readline().split()[1:])
    return (user + nice + system + irq + softirq) / os.sysconf("SC_CLK_TCK")
