"""Worker groups of real workers: their ends, lost groups and nodes, and what a trial costs beside its job."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import ray
from ray import tune
from ray.util import placement_group_table

from darkclr_ray.runtime.cluster import RAY_ENV
from darkclr_ray.runtime.mailbox import is_alive
from darkclr_ray.runtime.outcome import Outcome
from darkclr_ray.runtime.resources import ResourcePlan
from darkclr_ray.runtime.trials import InOrder, JobList, Program, ProgramSearcher, tuner
from darkclr_ray.runtime.worker_group import GroupPlan, WorkerGroup
from darkclr_ray.runtime.worker_loop import WorkerContext

ONE = ResourcePlan(1, 1, 0.5, 0.0, 0.5, 2.0, 0.0, 1)

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


def until(what: Callable[[], object], limit: float = 240.0) -> None:
    end = time.monotonic() + limit
    while not what():
        assert time.monotonic() < end
        time.sleep(0.1)


def holds_nothing() -> bool:
    """Whether no placement group is left of which a worker might hold CPUs."""
    return all(group["state"] == "REMOVED" for group in placement_group_table().values())


def endless(payload: Any, context: WorkerContext) -> dict[str, Any]:
    (Path(payload) / "begun").touch()
    time.sleep(1000)
    return {}


@pytest.mark.slow
@pytest.mark.usefixtures("ray_session", "another_ray")
@pytest.mark.parametrize("end", ["closed", "killed"])
def test_a_group_that_ends_in_the_middle_of_a_job_holds_no_resources(end: str, tmp_path: Path) -> None:
    """Its mailbox killed, Ray Train frees them only if it knows the address of this Ray."""
    group = WorkerGroup(GroupPlan(ONE, endless, tmp_path, failures=0))
    group.put("endless", str(tmp_path))
    until((tmp_path / "begun").exists)
    assert not holds_nothing()
    if end == "closed":
        group.close(patience=1.0)
    else:
        ray.kill(group.mailbox)
    until(holds_nothing)


@pytest.mark.slow
@pytest.mark.usefixtures("ray_session")
def test_a_group_without_a_place_gives_up_its_claim(tmp_path: Path) -> None:
    """Its node is lost, say, and Ray Train waits for another. What it asked for must not go to a group that is gone."""
    plan = GroupPlan(ResourcePlan(2, 1, 1.5, 0.0, 0.5, 2.0, 0.0, 1), lambda payload, context: {}, tmp_path, failures=0)
    groups = [WorkerGroup(plan) for _ in range(2)]
    for group in groups:
        group.put("job", None)
    until(lambda: any(group.news().outcome for group in groups))
    for group in groups:
        group.close()
    until(holds_nothing)


@pytest.mark.slow
@pytest.mark.usefixtures("ray_session")
def test_a_worker_that_stands_still_is_alive_and_one_that_was_killed_is_not() -> None:
    class Sleeper:
        def pid(self) -> int:
            return os.getpid()

    worker: Any = ray.remote(num_cpus=0)(Sleeper).remote()
    process = ray.get(worker.pid.remote())
    assert asyncio.run(is_alive(worker))
    os.kill(process, signal.SIGSTOP)
    assert asyncio.run(is_alive(worker))
    ray.kill(worker)
    while asyncio.run(is_alive(worker)):
        time.sleep(0.1)


class Clock(tune.Callback):
    """Notes when trials have ended."""

    def __init__(self) -> None:
        self.ended: list[float] = []

    def on_trial_complete(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        self.ended.append(time.monotonic())


@pytest.mark.usefixtures("ray_session")
def test_batches_of_a_program_run_on_the_same_workers(tmp_path: Path) -> None:
    def work(payload: int, context: WorkerContext) -> dict[str, Any]:
        if payload == 2:
            raise ValueError("two")
        return {"twice": 2 * payload, "job": context.job, "process": os.getpid()}

    ended: list[str] = []

    def program() -> Program:
        first = yield JobList({"one": 1, "two": 2}, lambda name, outcome: ended.append(name))
        assert first["two"] == Outcome("failed", "ValueError: two")
        assert (yield JobList({})) == {}
        second = yield JobList({f"job {number}": number for number in range(3, 13)})
        results = [first["one"].result, *(outcome.result for outcome in second.values())]
        assert [result["twice"] for result in results] == [2, *range(6, 26, 2)]
        assert second["job 3"].result["job"] == "job 3"
        assert len({result["process"] for result in results}) == 1
        return 17

    searcher, clock = ProgramSearcher(program(), lambda: False), Clock()
    tuner(GroupPlan(ONE, work, tmp_path, failures=0), searcher, InOrder(), clock, str(tmp_path)).fit()
    assert searcher.error is None
    assert (searcher.status, ended) == (17, ["one", "two"])
    costs = [late - early for early, late in zip(clock.ended[2:], clock.ended[3:], strict=False)]
    assert sorted(costs)[len(costs) // 2] < 3.0  # what a trial costs, its job taking no time


def test_errors_of_a_program_end_it() -> None:
    def program() -> Program:
        yield JobList({"one": 1})
        raise OSError("full")

    searcher = ProgramSearcher(program(), lambda: False)
    assert searcher.suggest("x") == {"name": "one", "job": 1}
    assert searcher.suggest("y") is None  # the next batch waits for the end of this one
    result = {"outcome": '{"state": "finished", "reason": null, "result": {}}', "done": True}
    searcher.on_trial_complete("x", result)
    assert searcher.suggest("y") == "FINISHED"
    assert isinstance(searcher.error, OSError)


def test_a_broken_job_ends_a_program() -> None:
    def program() -> Program:
        yield JobList({"one": 1, "two": 2})
        return 0

    searcher = ProgramSearcher(program(), lambda: False)
    searcher.suggest("x")
    searcher.on_trial_complete("x", {"outcome": '{"state": "broken", "reason": "no room", "result": {}}'})
    assert searcher.stopped()
    assert searcher.broken == "no room"
    assert searcher.suggest("y") == "FINISHED"


def test_an_interrupted_program_starts_no_more_jobs() -> None:
    def program() -> Program:
        yield JobList({"one": 1})
        return 0

    searcher = ProgramSearcher(program(), lambda: True)
    assert searcher.suggest("x") == "FINISHED"
    assert searcher.status is None


class FakeTrial:
    def __init__(self, finished: bool) -> None:
        self.finished = finished

    def is_finished(self) -> bool:
        return self.finished


@pytest.mark.parametrize(
    ("finished", "running", "waiting", "paused"),
    [
        (0, 1, 100.0, False),  # its workers are the first to start
        (1, 2, 100.0, False),  # the other group is at work
        (1, 1, 100.0, True),
        (1, 1, 5.0, False),  # its workers may be about to start
    ],
)
def test_a_trial_without_workers_is_paused_where_another_group_is_idle(
    finished: int, running: int, waiting: float, paused: bool
) -> None:
    trials = [FakeTrial(True)] * finished + [FakeTrial(False)] * running
    controller = type("Controller", (), {"get_trials": lambda self: trials})()
    scheduler = InOrder()
    scheduler.groups = 2
    decision = scheduler.on_trial_result(controller, None, {"waiting": waiting})  # type: ignore[arg-type]
    assert decision == ("PAUSE" if paused else "CONTINUE")


TWO_NODES = """
import sys, threading, time
from pathlib import Path
import ray
from ray import tune
from ray.cluster_utils import Cluster
from darkclr_ray.runtime.resources import ResourcePlan
from darkclr_ray.runtime.trials import InOrder, JobList, ProgramSearcher, tuner
from darkclr_ray.runtime.worker_group import GroupPlan

folder = Path(sys.argv[1])

def work(payload, context):
    (folder / context.job).touch()
    while not (folder / "enough").exists():
        context.check_stop({"stage": "waiting"})
        time.sleep(0.1)
    return {}

def program():
    outcomes = yield JobList({"a": None, "b": None})
    print([outcomes[name].state for name in "ab"], flush=True)
    return 0

def lose_a_node():
    while not ((folder / "a").exists() and (folder / "b").exists()):
        time.sleep(0.1)
    cluster.remove_node(first, allow_graceful=False)
    time.sleep(20.0)
    (folder / "enough").touch()
    print("the other may end", flush=True)

cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0})
first, second = (cluster.add_node(num_cpus=1) for _ in range(2))
ray.init(address=cluster.address, log_to_driver=False, logging_level="ERROR")
plan = GroupPlan(ResourcePlan(2, 1, 1.0, 0.0, 0.0, 2.0, 0.0, 2), work, folder, failures=0)
searcher = ProgramSearcher(program(), lambda: False)
threading.Thread(target=lose_a_node).start()
tuner(plan, searcher, InOrder(), tune.Callback(), str(folder)).fit()
ray.shutdown()
cluster.shutdown()
print("ended", flush=True)
"""


@pytest.mark.slow
def test_what_a_lost_node_was_at_another_group_ends(tmp_path: Path) -> None:
    """On a cluster of two nodes of one CPU, of which one goes for good. No retry is needed for it: there are none."""
    command = [sys.executable, "-c", TWO_NODES, str(tmp_path)]
    environment = {**os.environ, **RAY_ENV}
    told = subprocess.run(command, capture_output=True, text=True, timeout=600, env=environment)
    assert told.stdout.splitlines()[-2:] == ["['finished', 'finished']", "ended"], told.stdout + told.stderr
