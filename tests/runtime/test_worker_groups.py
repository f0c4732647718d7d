"""Worker groups of real workers, sent home in the middle of a job."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import ray

from darkclr_ray.runtime.cluster import RAY_ENV
from darkclr_ray.runtime.job_queue import alive
from darkclr_ray.runtime.resources import Node, ResourcePlan, allocate
from darkclr_ray.runtime.worker_groups import WorkerGroups
from darkclr_ray.runtime.worker_loop import WorkerContext
from darkclr_ray.settings import ComputeSettings

SOMEBODY_ELSE = """
import sys, ray
ray.init(address="local", num_cpus=1, object_store_memory=10**8, include_dashboard=False)
print("up", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def another_ray() -> Iterator[None]:
    """That of somebody else on the same machine."""
    command = [sys.executable, "-c", SOMEBODY_ELSE]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert "up\n" in iter(process.stdout.readline, "")
        yield
        process.communicate()


@pytest.mark.slow
@pytest.mark.usefixtures("ray_session", "another_ray")
def test_abandoned_worker_groups_let_go_of_ray(tmp_path: Path) -> None:
    """A thread that still waits for its worker group when Ray ends would take the whole process with it."""

    def work(payload: Any, place: WorkerContext) -> dict[str, Any]:
        time.sleep(1000)
        return {}

    compute = ComputeSettings(cpus_per_worker=0.5, concurrent_trials=1)
    worker_groups = WorkerGroups(allocate(compute, 1, [Node(2)]), work, tmp_path, failures=0)
    ray.get(worker_groups.queue.submit.remote("endless", None))
    while not ray.get(worker_groups.queue.taken.remote()):
        worker_groups.check()
        time.sleep(0.1)
    worker_groups.abandon()
    assert not [thread.name for thread in threading.enumerate() if thread.name.startswith("worker-group-")]


@pytest.mark.slow
@pytest.mark.usefixtures("ray_session")
def test_a_worker_group_without_a_place_does_not_keep_the_others_from_their_end(tmp_path: Path) -> None:
    """Its node is lost, say, and Ray Train waits for another: closed, it lets go of Ray like those that are done."""
    worker_groups = WorkerGroups(
        ResourcePlan(2, 1, 1.5, 0.0, 0.5, 2.0, 0.0, 1), lambda payload, place: {}, tmp_path, failures=0
    )
    assert worker_groups.run(None).state == "finished"
    worker_groups.close(patience=1.0)
    assert not [thread.name for thread in threading.enumerate() if thread.name.startswith("worker-group-")]


@pytest.mark.slow
@pytest.mark.usefixtures("ray_session")
def test_a_worker_that_stands_still_is_alive_and_one_that_was_killed_is_not() -> None:
    class Sleeper:
        def pid(self) -> int:
            return os.getpid()

    worker: Any = ray.remote(num_cpus=0)(Sleeper).remote()
    process = ray.get(worker.pid.remote())
    assert asyncio.run(alive(worker))
    os.kill(process, signal.SIGSTOP)
    assert asyncio.run(alive(worker))
    ray.kill(worker)
    while asyncio.run(alive(worker)):
        time.sleep(0.1)


TWO_NODES = """
import sys, time
from pathlib import Path
import ray
from ray.cluster_utils import Cluster
from darkclr_ray.runtime.worker_groups import WorkerGroups
from darkclr_ray.runtime.resources import ResourcePlan

folder = Path(sys.argv[1])

def work(payload, place):
    while not (folder / "enough").exists():
        place.go_on({"stage": "waiting"})
        time.sleep(0.1)
    return {}

def told(method, *words):
    return ray.get(getattr(worker_groups.queue, method).remote(*words))

cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0})
first, second = (cluster.add_node(num_cpus=1) for _ in range(2))
ray.init(address=cluster.address, log_to_driver=False, logging_level="ERROR")
worker_groups = WorkerGroups(ResourcePlan(2, 1, 1.0, 0.0, 0.0, 2.0, 0.0, 2), work, folder, failures=1)
for name in "ab":
    told("submit", name, None)
while told("taken") < 2:
    worker_groups.check()
    time.sleep(0.1)
cluster.remove_node(first, allow_graceful=False)
while len(told("snapshot")) == 2:
    assert told("stalled", 15.0) == []
    time.sleep(0.5)
(folder / "enough").touch()
print([worker_groups.run(None, name).state for name in "ab"], told("taken"), flush=True)
worker_groups.close(patience=2.0)
ray.shutdown()
cluster.shutdown()
print("ended", flush=True)
"""


@pytest.mark.slow
def test_what_a_lost_node_was_at_another_worker_group_ends(tmp_path: Path) -> None:
    """On a cluster of two nodes of one CPU, of which one goes for good."""
    command = [sys.executable, "-c", TWO_NODES, str(tmp_path)]
    environment = {**os.environ, **RAY_ENV}
    told = subprocess.run(command, capture_output=True, text=True, timeout=240, env=environment)
    assert told.stdout.splitlines()[-2:] == ["['finished', 'finished'] 3", "ended"], told.stdout + told.stderr
