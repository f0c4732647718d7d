"""Divide the resources of a cluster among worker groups, or refuse a configuration that does not fit."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from darkclr_ray.settings import ComputeSettings


@dataclass(frozen=True)
class Node:
    """Resources of one node; 0 bytes of memory mean that they are unknown."""

    cpus: float
    gpus: float = 0.0
    memory: float = 0.0


@dataclass(frozen=True)
class ResourcePlan:
    """Resources of each trial and worker.

    Attributes:
        worker_groups: number of trials at the same time.
        workers: training workers of a worker group.
        cpus_per_worker, gpus_per_worker: resources of each training worker.
        data_cpus: CPUs of the data workers that feed one training worker.
        cpus, gpus: resources of the whole cluster.
        nodes: number of nodes.
    """

    worker_groups: int
    workers: int
    cpus_per_worker: float
    gpus_per_worker: float
    data_cpus: float
    cpus: float
    gpus: float
    nodes: int

    @property
    def threads(self) -> int:
        """Number of torch threads in a training worker."""
        return max(1, int(self.cpus_per_worker))

    @property
    def per_worker(self) -> dict[str, float]:
        """Resources that Ray Train reserves for a training worker."""
        return {"CPU": self.cpus_per_worker} | ({"GPU": self.gpus_per_worker} if self.gpus_per_worker else {})

    def __str__(self) -> str:
        worker = f"{self.workers} training worker{'s' if self.workers > 1 else ''}"
        holds = f"{self.cpus_per_worker:g} CPU" + (f" and {self.gpus_per_worker:g} GPU" if self.gpus_per_worker else "")
        has = f"{self.cpus:g} CPUs" + (f", {self.gpus:g} GPUs" if self.gpus else "")
        return (
            f"{self.worker_groups} trial{'s' if self.worker_groups > 1 else ''} at a time, each {worker} of {holds}, "
            f"fed by data workers of {self.data_cpus:g} CPU; {has} on {self.nodes} node{'s' if self.nodes > 1 else ''}"
        )


def allocate(compute: ComputeSettings, trials: int, nodes: Sequence[Node]) -> ResourcePlan:
    """Share a cluster among trials, their training workers, and the data workers that feed each of these.

    A training worker is fed by a Ray Data stream of its own, which needs a CPU that no training holds, or it waits for
    ever: a whole one, or what a worker that holds less than a CPU leaves of it. Left to itself, a study on GPUs takes
    as many trials at a time as there are GPUs, and gives each of them its share; without GPUs, as many trials of one
    worker as there are CPUs for.

    Args:
        compute: settings.
        trials: largest number of trials that can run at a time.
        nodes: of the cluster.

    Raises:
        ValueError: the cluster is too small for what was asked for; the message has the numbers.

    >>> allocation = allocate(ComputeSettings(), 6, [Node(cpus=4)])
    >>> allocation.worker_groups, allocation.workers
    (2, 1)
    """
    cpus, gpus = sum(node.cpus for node in nodes), sum(node.gpus for node in nodes)
    held = compute.cpus_per_worker
    feeding = 1.0 if held >= 1.0 else 1.0 - held
    most_gpus = sum(math.floor(node.gpus) for node in nodes)
    workers = compute.workers
    if most_gpus:
        worker_groups = min(trials, compute.concurrent_trials or max(1, most_gpus // max(1, workers)))
        workers = workers or max(1, most_gpus // worker_groups)
    else:
        workers = workers or 1
        fitting = max((n for n in range(1, trials + 1) if _fits(nodes, n * workers, held, 0.0, feeding)), default=1)
        worker_groups = min(compute.concurrent_trials, trials) or fitting
    streams = worker_groups * workers
    gpu_each = 1.0 if most_gpus else 0.0
    if not _fits(nodes, streams, held, gpu_each, feeding):
        asked = (
            f"{worker_groups} trial{'s' if worker_groups > 1 else ''} at a time x "
            f"{workers} worker{'s' if workers > 1 else ''} need "
            f"{streams} x ({held:g} CPU to train + {feeding:g} CPU to feed it) = {streams * (held + feeding):g} CPUs"
            + (f" and {streams} GPUs" if gpu_each else "")
        )
        sizes = " + ".join(f"{node.cpus:g}" + (f" (and {node.gpus:g} GPU)" if node.gpus else "") for node in nodes)
        raise ValueError(
            f"{asked}, but the cluster has {cpus:g} CPUs"
            + (f" and {gpus:g} GPUs" if gpus else "")
            + (f" ({sizes} on {len(nodes)} nodes)" if len(nodes) > 1 else "")
            + "; lower compute.workers, compute.concurrent_trials or compute.cpus_per_worker"
        )
    spare = cpus - streams * (held + feeding)
    data_cpus = feeding if feeding < 1.0 else feeding + min(MOST_DATA_CPUS - 1, spare // streams)
    return ResourcePlan(worker_groups, workers, held, gpu_each, data_cpus, cpus, gpus, len(nodes))


MOST_DATA_CPUS = 8
"""Largest useful number of CPUs for the data workers of one training worker."""


def _fits(nodes: Sequence[Node], workers: int, held: float, gpu: float, feeding: float) -> bool:
    """Return whether all workers, and one data worker for each, fit; the emptiest node is filled first."""
    free = [[node.cpus, node.gpus] for node in nodes]
    for cpus, gpus in [(held, gpu)] * workers + [(feeding, 0.0)] * workers:
        able = [place for place in free if place[0] >= cpus - 1e-9 and place[1] >= gpus - 1e-9]
        if not able:
            return False
        best = max(able, key=lambda place: (place[1] if gpus else -place[1], place[0]))
        best[0] -= cpus
        best[1] -= gpus
    return True


def cluster_nodes(described: Sequence[dict[str, Any]]) -> list[Node]:
    """Return the living nodes of a list from `ray.nodes()`."""
    alive = [node["Resources"] for node in described if node["Alive"]]
    return [
        Node(
            resources.get("CPU", 0.0),
            resources.get("GPU", 0.0),
            resources.get("memory", 0.0) + resources.get("object_store_memory", 0.0),
        )
        for resources in alive
    ]
