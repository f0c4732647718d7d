"""The arithmetic of clusters against numbers worked out by hand."""

from __future__ import annotations

import pytest

from darkclr_ray.runtime.resources import Node, allocate, cluster_nodes
from darkclr_ray.settings import ComputeSettings

ONE, TWO, FOUR, EIGHT = (Node(cpus) for cpus in (1, 2, 4, 8))
GPUS = Node(32, 4)

FITS = [
    # compute settings, trials, nodes: worker groups, workers, data CPUs of each worker
    ({}, 6, [TWO], (1, 1, 1)),
    ({}, 6, [FOUR], (2, 1, 1)),
    ({}, 6, [Node(5)], (2, 1, 1)),
    ({}, 1, [EIGHT], (1, 1, 7)),
    ({}, 1, [Node(64)], (1, 1, 8)),
    ({}, 60, [FOUR, FOUR], (4, 1, 1)),
    ({}, 60, [ONE, ONE], (1, 1, 1)),
    ({"workers": 2}, 6, [FOUR], (1, 2, 1)),
    ({"concurrent_trials": 1}, 6, [FOUR], (1, 1, 3)),
    ({"cpus_per_worker": 0.75}, 6, [TWO], (2, 1, 0.25)),
    ({"cpus_per_worker": 0.5, "concurrent_trials": 1}, 6, [ONE], (1, 1, 0.5)),
    ({"cpus_per_worker": 3}, 6, [EIGHT], (2, 1, 1)),
    ({}, 60, [GPUS], (4, 1, 7)),
    ({}, 2, [GPUS], (2, 2, 7)),
    ({"workers": 4}, 60, [GPUS], (1, 4, 7)),
    ({"workers": 2}, 60, [GPUS, GPUS], (4, 2, 7)),
    ({"concurrent_trials": 2}, 60, [GPUS, GPUS], (2, 4, 7)),
    ({}, 60, [Node(0), Node(8), Node(8, 1)], (1, 1, 8)),
]


@pytest.mark.parametrize(("compute", "trials", "nodes", "expected"), FITS)
def test_what_fits(compute: dict[str, float], trials: int, nodes: list[Node], expected: tuple[int, int, float]) -> None:
    allocation = allocate(ComputeSettings(**compute), trials, nodes)
    assert (allocation.worker_groups, allocation.workers, allocation.data_cpus) == expected
    assert (
        allocation.worker_groups * allocation.workers * (allocation.cpus_per_worker + allocation.data_cpus)
        <= allocation.cpus
    )


REFUSED = [
    ({}, [ONE], ["2 CPUs", "has 1 CPUs"]),
    ({"workers": 2}, [Node(3)], ["1 trial at a time x 2 workers", "= 4 CPUs", "has 3 CPUs"]),
    ({"concurrent_trials": 3}, [FOUR], ["3 trials at a time x 1 worker", "6 CPUs", "4 CPUs"]),
    ({"cpus_per_worker": 3}, [TWO, TWO], ["3 CPU to train", "2 + 2 on 2 nodes"]),
    ({"workers": 5}, [GPUS], ["5 GPUs", "4 GPUs"]),
    ({"workers": 2}, [Node(3, 2)], ["2 GPUs", "3 CPUs"]),
]


@pytest.mark.parametrize(("compute", "nodes", "words"), REFUSED)
def test_what_cannot_run_is_refused_with_the_numbers(
    compute: dict[str, float], nodes: list[Node], words: list[str]
) -> None:
    with pytest.raises(ValueError) as refusal:
        allocate(ComputeSettings(**compute), 10, nodes)
    for word in (*words, "compute.workers"):
        assert word in str(refusal.value)


def test_dead_nodes_do_not_count() -> None:
    described = [
        {"Alive": True, "Resources": {"CPU": 4.0, "GPU": 1.0, "memory": 1e9}},
        {"Alive": True, "Resources": {"memory": 1e9}},
        {"Alive": False, "Resources": {"CPU": 64.0}},
    ]
    assert cluster_nodes(described) == [Node(4.0, 1.0, 1e9), Node(0.0, 0.0, 1e9)]


def test_threads_follow_what_a_worker_holds() -> None:
    assert allocate(ComputeSettings(cpus_per_worker=3), 1, [EIGHT]).threads == 3
    assert allocate(ComputeSettings(cpus_per_worker=0.75), 1, [TWO]).threads == 1
