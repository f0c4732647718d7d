"""What is said of Ray's reports, which have many lines; the first is one of Ray 2.60."""

from __future__ import annotations

import pytest

from darkclr_ray.runtime.lost import out_of_memory, why_lost

OUT_OF_MEMORY = """2 worker(s) were killed due to the node running low on memory.
Memory on the node (IP: 10.0.0.1, ID: 92edc4e9) was 22.69GB used / 24.34GB limit (0.931)
OOM kill reason: the memory usage threshold was exceeded
Object store memory usage: [- objects spillable: 0
- bytes spillable: 0]
Ray killed 2 worker(s) based on the killing policy
Considered workers: [
Selected to kill: (Actor: job ID=01000000, lease ID=06, actor ID=01, actor name=RayTrainWorker, \
required resources={CPU: 1}, pid=331, actual memory used=0.67GB, worker ID=3e3d)
Selected to kill: (Task: job ID=01000000, lease ID=04, task name=MapBatches, required resources={CPU: 1}, \
pid=332, actual memory used=21.64GB, worker ID=0e56)
(Task: job ID=01000000, lease ID=05, task name=idle, required resources={CPU: 1}, pid=333, \
actual memory used=1.95GB, worker ID=3424)]
Top 10 memory users: PID MEM(GB) COMMAND
Refer to the documentation on how to address the out of memory issue."""


def test_a_node_without_memory_is_one_sentence() -> None:
    found = out_of_memory(OUT_OF_MEMORY)
    assert found is not None
    assert found.killed == (("MapBatches", 21.64), ("RayTrainWorker", 0.67))
    assert found.by_itself
    assert why_lost(RuntimeError(f"The actor died.\n{OUT_OF_MEMORY}")) == (
        "memory ran out on node 10.0.0.1 (22.7 of 24.3 GB in use): Ray killed MapBatches (21.6 GB), RayTrainWorker "
        "(0.7 GB)"
    )


def test_actors_with_their_handles_are_named() -> None:
    """Ray 2.60 names actors by their first task, with the handle in parentheses."""
    report = """3 worker(s) were killed due to the node running low on memory. Memory on the node \
(IP: 192.0.2.2, ID: 54f3) was 8.16GB used / 23.54GB limit (0.346757)
Considered workers: [
Selected to kill: (Worker with no lease granted: pid=8451, actual memory used=0.11GB, worker ID=7761)
Selected to kill: (Actor(d3c8cb01): job ID=01, lease ID=08, task name=PreemptionWatcher.__init__, \
required resources={}, pid=8387, actual memory used=0.12GB, worker ID=efd6)
Selected to kill: (Actor(05da1101): job ID=01, lease ID=06, task name=RayTrainWorker.__init__, \
required resources={}, pid=8280, actual memory used=0.45GB, worker ID=25a4)
]"""
    assert why_lost(report) == (
        "memory ran out on node 192.0.2.2 (8.2 of 23.5 GB in use): Ray killed RayTrainWorker (0.5 GB), "
        "PreemptionWatcher (0.1 GB), a process (0.1 GB)"
    )


def test_a_small_process_did_not_fill_the_memory() -> None:
    found = out_of_memory(OUT_OF_MEMORY.replace("21.64GB", "0.3GB"))
    assert found is not None
    assert not found.by_itself


@pytest.mark.parametrize(
    ("message", "words"),
    [
        (
            "Failure # 1 (occurred at 2026)\nThe actor died unexpectedly.\nCauses: (1) the process was killed by the "
            "OOM killer due to high memory usage",
            "a process was killed from outside, perhaps by the kernel because memory ran out",
        ),
        ("The node is dead.\n\tnode_id: 1", "The node is dead"),
        (
            "ray::WarmTrial.train() (pid=1)\n  File x\nray.exceptions.ActorDiedError: The actor died.\n\tclass: A",
            "ActorDiedError: The actor died",
        ),
        ("", "OSError"),
    ],
)
def test_other_causes_are_one_line(message: str, words: str) -> None:
    assert why_lost(OSError(message)) == words
