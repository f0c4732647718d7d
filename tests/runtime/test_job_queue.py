"""The job queue without Ray: who gets which job, when it ends, and what a lost worker group finds."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

import pytest

from darkclr_ray.runtime import job_queue as queue_module
from darkclr_ray.runtime.job_queue import JobQueue, Outcome

START, LATER = 7, 8


@pytest.fixture(autouse=True)
def living(monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """Workers that are alive, by what stands for their handles here: all but those that are taken out."""
    there = {"worker", "worker 0", "worker 1", "other worker group"}

    async def alive(worker: str) -> bool:
        await asyncio.sleep(0)
        return worker in there

    monkeypatch.setattr(queue_module, "alive", alive)
    return there


def run(story: Coroutine[Any, Any, None]) -> None:
    asyncio.run(asyncio.wait_for(story, 10))


def test_all_ranks_of_a_worker_group_get_the_same_jobs_in_turn() -> None:
    async def story() -> None:
        queue = JobQueue(attempts=2)
        early = asyncio.create_task(queue.take(0, None, 1, START, "worker 1"))  # waits
        await asyncio.sleep(0)
        for name in ("a", "b", "a"):  # a second "a" is the same job
            await queue.submit(name, name.upper())
        first = await queue.take(0, None, 0, START, "worker 0")
        assert first == (0, "a", "A")
        assert await early == first
        assert await queue.take(1, None, 0, START, "other worker group") == (0, "b", "B")
        await queue.finish("a", START, Outcome("finished", result={"x": 1}))
        await queue.submit("c", "C")
        assert await queue.take(0, 1, 0, START, "worker 0") == (1, "c", "C")
        assert await queue.take(0, 1, 1, START, "worker 1") == (1, "c", "C")
        assert await queue.next("a", 0) == Outcome("finished", result={"x": 1})

    run(story())


def test_a_worker_group_that_was_lost_gets_its_job_back_until_it_is_hopeless() -> None:
    async def story() -> None:
        queue = JobQueue(attempts=3)
        await queue.submit("a", "A")
        await queue.submit("b", "B")
        for start in range(3):
            for rank in (1, 0):
                assert await queue.take(0, None, rank, start, f"worker {rank}") == (0, "a", "A")
        for rank in (1, 0):  # whichever rank comes first
            assert await queue.take(0, None, rank, 3, f"worker {rank}") == (1, "b", "B")
        outcome = await queue.next("a", 0)
        assert isinstance(outcome, Outcome)
        assert outcome.state == "failed"
        assert "lost 3 times" in str(outcome.reason)

    run(story())


def test_no_rank_runs_ahead_of_a_job_that_may_still_be_lost() -> None:
    async def story() -> None:
        queue = JobQueue(attempts=3)
        for name in "ab":
            await queue.submit(name, name)
        for rank in range(2):
            assert await queue.take(0, None, rank, START, f"worker {rank}") == (0, "a", "a")
        ahead = asyncio.create_task(queue.take(0, 1, 1, START, "worker 1"))  # rank 1 is through, rank 0 is lost
        await asyncio.sleep(0)
        ahead.cancel()
        for rank in range(2):
            assert await queue.take(0, None, rank, LATER, f"worker {rank}") == (0, "a", "a")
        await queue.finish("a", LATER, Outcome("finished"))
        assert await queue.take(0, 1, 0, LATER, "worker 0") == (1, "b", "b")

    run(story())


def test_an_error_that_ends_workers_again_and_again_is_told() -> None:
    async def story() -> None:
        queue = JobQueue(attempts=2)
        await queue.submit("a", "A")
        await queue.submit("b", "B")
        for start in range(2):
            await queue.take(0, None, 0, start, "worker")
            await queue.complain("a", start, f"ValueError: no training jets of the signal 'aachne' ({start})")
            await queue.complain(
                "a", start, "RuntimeError: connection closed by peer"
            )  # a companion that waited for it
        await queue.take(0, None, 0, 2, "worker")
        outcome = await queue.next("a", 0)
        assert isinstance(outcome, Outcome)
        assert outcome.state == "failed"
        assert "2 times (at last by ValueError: no training jets of the signal 'aachne' (1))" in str(outcome.reason)

    run(story())


def test_a_worker_group_that_does_not_start_leaves_nobody_waiting() -> None:
    async def story() -> None:
        queue = JobQueue(attempts=2)
        assert await queue.unattended() == 0.0
        await queue.submit("a", "A")
        assert await queue.unattended() > 0.0
        await queue.give_up(0, "it has taken nothing")
        await queue.take(0, None, 0, START, "worker")
        assert await queue.unattended() == 0.0
        await queue.give_up(0, "Ray Train's folder is gone")
        assert await queue.next("a", 0) == Outcome("broken", "Ray Train's folder is gone")
        assert await queue.broken() == "Ray Train's folder is gone"

    run(story())


def test_intermediate_results_come_in_order_and_once() -> None:
    async def story() -> None:
        queue = JobQueue(attempts=1)
        await queue.submit("a", "A")
        await queue.take(0, None, 0, START, "worker")
        waiting = asyncio.create_task(queue.next("a", 0))
        await asyncio.sleep(0)
        for epoch, objective in ((1, 0.5), (1, 0.5), (4, 0.7)):  # a resumed training says an epoch twice
            await queue.rung("a", START, {"epoch": epoch, "objective": objective})
        await queue.finish("a", START, Outcome("finished"))
        assert await waiting == {"epoch": 1, "objective": 0.5}
        assert await queue.next("a", 1) == {"epoch": 4, "objective": 0.7}
        assert await queue.next("a", 2) == Outcome("finished")

    run(story())


def test_stopping() -> None:
    async def story() -> None:
        queue = JobQueue(attempts=1)
        for name in "abc":
            await queue.submit(name, name)
        await queue.take(0, None, 0, START, "worker")
        assert await queue.report("a", START, {"loss": 1.0})
        await queue.cancel("c")
        assert await queue.next("c", 0) == Outcome("stopped")
        await queue.cancel("nobody")
        await queue.stop()
        assert not await queue.report("a", START, {"loss": 0.9})
        assert await queue.next("b", 0) == Outcome("stopped")
        await queue.submit("late", "L")
        assert await queue.next("late", 0) == Outcome("stopped")
        assert (await queue.snapshot())["a"]["loss"] == 0.9
        await queue.finish("a", START, Outcome("stopped"))
        assert await queue.snapshot() == {}
        await queue.close()
        assert await queue.take(0, 1, 0, START, "worker") is None

    run(story())


def test_a_job_that_stands_still_is_ended_with_its_workers(monkeypatch: pytest.MonkeyPatch) -> None:
    killed: list[str] = []
    monkeypatch.setattr(queue_module.ray, "kill", killed.append)

    async def story() -> None:
        queue = JobQueue(attempts=1)
        await queue.submit("a", "A")
        await queue.submit("waits, which is no fault of its own", "B")
        for rank in range(2):
            await queue.take(0, None, rank, START, f"worker {rank}")
        assert await queue.stalled(60.0) == []
        assert await queue.stalled(0.0) == ["a"]
        assert killed == ["worker 0", "worker 1"]
        outcome = await queue.next("a", 0)
        assert isinstance(outcome, Outcome)
        assert "compute.stall_limit" in str(outcome.reason)
        assert await queue.stalled(0.0) == []

    run(story())


def test_a_job_whose_workers_are_gone_goes_to_another_worker_group(living: set[str]) -> None:
    """They wake up when it is over there: what they say of it is not taken for the other worker group's."""

    async def story() -> None:
        queue = JobQueue(attempts=3)
        await queue.submit("a", "A")
        await queue.submit("b", "B")
        for rank in range(2):
            await queue.take(0, None, rank, START, f"worker {rank}")
        living.discard("worker 0")
        await asyncio.sleep(0.01)
        assert await queue.stalled(60.0) == []
        assert set(await queue.snapshot()) == {"a"}
        living.discard("worker 1")
        assert await queue.stalled(0.0) == []
        assert await queue.snapshot() == {}
        assert not await queue.report("a", START, {"loss": 9.0})  # before any other has it
        assert await queue.take(1, None, 0, LATER, "other worker group") == (0, "a", "A")

        await queue.complain("a", START, "connection closed by peer")
        await queue.rung("a", START, {"epoch": 1, "objective": 9.0})
        assert not await queue.report("a", START, {"loss": 9.0})
        await queue.finish("a", START, Outcome("stopped"))
        assert await queue.take(0, 1, 0, START, "worker 0") == (1, "b", "B")
        assert await queue.take(0, 1, 1, START, "worker 1") == (1, "b", "B")

        assert await queue.report("a", LATER, {"loss": 1.0})
        assert (await queue.snapshot())["a"] | {"seconds": 0} == {"loss": 1.0, "seconds": 0, "attempts": 2}
        await queue.rung("a", LATER, {"epoch": 1, "objective": 0.5})
        await queue.finish("a", LATER, Outcome("finished"))
        assert await queue.next("a", 0) == {"epoch": 1, "objective": 0.5}
        assert await queue.next("a", 1) == Outcome("finished")

    run(story())


def test_a_worker_group_that_is_back_takes_up_what_nobody_else_has(living: set[str]) -> None:
    async def story() -> None:
        queue = JobQueue(attempts=2)
        await queue.submit("a", "A")
        await queue.take(0, None, 0, START, "worker 0")
        living.discard("worker 0")
        await queue.stalled(0.0)
        for rank in range(2):
            assert await queue.take(0, None, rank, LATER, "worker 1") == (1, "a", "A")
        assert await queue.take(0, None, 1, START, "worker 0") is None  # sent home
        assert await queue.report("a", LATER, {})

    run(story())


def test_a_job_that_nobody_wants_ends_with_its_workers(living: set[str]) -> None:
    async def story() -> None:
        queue = JobQueue(attempts=2)
        await queue.submit("a", "A")
        await queue.take(0, None, 0, START, "worker 0")
        await queue.stop()
        living.discard("worker 0")
        await queue.stalled(0.0)
        assert await queue.next("a", 0) == Outcome("stopped")

    run(story())


def test_a_study_waits_from_when_the_last_worker_was_seen(living: set[str]) -> None:
    async def story() -> None:
        queue = JobQueue(attempts=2)
        await queue.submit("a", "A")
        await queue.take(0, None, 0, START, "worker 0")
        await asyncio.sleep(0.1)
        assert await queue.unattended() == 0.0
        living.discard("worker 0")
        await asyncio.sleep(0.02)
        assert 0.0 < await queue.unattended() < 0.1
        living.add("worker 0")
        assert await queue.unattended() == 0.0
        living.discard("worker 0")
        await queue.finish("a", START, Outcome("finished"))
        assert await queue.unattended() == 0.0  # nothing is left to do

    run(story())


def test_a_broken_job_is_known() -> None:
    async def story() -> None:
        queue = JobQueue(attempts=1)
        await queue.submit("a", "A")
        await queue.take(0, None, 0, START, "worker")
        assert await queue.broken() is None
        await queue.finish("a", START, Outcome("broken", "No space left on device"))
        assert await queue.broken() == "No space left on device"

    run(story())
