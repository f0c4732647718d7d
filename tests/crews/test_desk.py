"""The desk without Ray: who gets which job, when it ends, and what a lost crew finds."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

import pytest

from darkclr_ray.crews import desk as desk_module
from darkclr_ray.crews.desk import Desk, Outcome

START, LATER = 7, 8


@pytest.fixture(autouse=True)
def living(monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """Workers that are alive, by what stands for their handles here: all but those that are taken out."""
    there = {"worker", "worker 0", "worker 1", "other crew"}

    async def alive(worker: str) -> bool:
        await asyncio.sleep(0)
        return worker in there

    monkeypatch.setattr(desk_module, "alive", alive)
    return there


def run(story: Coroutine[Any, Any, None]) -> None:
    asyncio.run(asyncio.wait_for(story, 10))


def test_all_ranks_of_a_crew_get_the_same_jobs_in_turn() -> None:
    async def story() -> None:
        desk = Desk(attempts=2)
        early = asyncio.create_task(desk.take(0, None, 1, START, "worker 1"))  # waits
        await asyncio.sleep(0)
        for name in ("a", "b", "a"):  # a second "a" is the same job
            await desk.submit(name, name.upper())
        first = await desk.take(0, None, 0, START, "worker 0")
        assert first == (0, "a", "A")
        assert await early == first
        assert await desk.take(1, None, 0, START, "other crew") == (0, "b", "B")
        await desk.finish("a", START, Outcome("finished", result={"x": 1}))
        await desk.submit("c", "C")
        assert await desk.take(0, 1, 0, START, "worker 0") == (1, "c", "C")
        assert await desk.take(0, 1, 1, START, "worker 1") == (1, "c", "C")
        assert await desk.next("a", 0) == Outcome("finished", result={"x": 1})

    run(story())


def test_a_crew_that_was_lost_gets_its_job_back_until_it_is_hopeless() -> None:
    async def story() -> None:
        desk = Desk(attempts=3)
        await desk.submit("a", "A")
        await desk.submit("b", "B")
        for start in range(3):
            for rank in (1, 0):
                assert await desk.take(0, None, rank, start, f"worker {rank}") == (0, "a", "A")
        for rank in (1, 0):  # whichever rank comes first
            assert await desk.take(0, None, rank, 3, f"worker {rank}") == (1, "b", "B")
        outcome = await desk.next("a", 0)
        assert isinstance(outcome, Outcome)
        assert outcome.state == "failed"
        assert "lost 3 times" in str(outcome.reason)

    run(story())


def test_no_rank_runs_ahead_of_a_job_that_may_still_be_lost() -> None:
    async def story() -> None:
        desk = Desk(attempts=3)
        for name in "ab":
            await desk.submit(name, name)
        for rank in range(2):
            assert await desk.take(0, None, rank, START, f"worker {rank}") == (0, "a", "a")
        ahead = asyncio.create_task(desk.take(0, 1, 1, START, "worker 1"))  # rank 1 is through, rank 0 is lost
        await asyncio.sleep(0)
        ahead.cancel()
        for rank in range(2):
            assert await desk.take(0, None, rank, LATER, f"worker {rank}") == (0, "a", "a")
        await desk.finish("a", LATER, Outcome("finished"))
        assert await desk.take(0, 1, 0, LATER, "worker 0") == (1, "b", "b")

    run(story())


def test_an_error_that_ends_workers_again_and_again_is_told() -> None:
    async def story() -> None:
        desk = Desk(attempts=2)
        await desk.submit("a", "A")
        await desk.submit("b", "B")
        for start in range(2):
            await desk.take(0, None, 0, start, "worker")
            await desk.complain("a", start, f"ValueError: no training jets of the signal 'aachne' ({start})")
            await desk.complain("a", start, "RuntimeError: connection closed by peer")  # a companion that waited for it
        await desk.take(0, None, 0, 2, "worker")
        outcome = await desk.next("a", 0)
        assert isinstance(outcome, Outcome)
        assert outcome.state == "failed"
        assert "2 times (at last by ValueError: no training jets of the signal 'aachne' (1))" in str(outcome.reason)

    run(story())


def test_a_crew_that_does_not_start_leaves_nobody_waiting() -> None:
    async def story() -> None:
        desk = Desk(attempts=2)
        assert await desk.unattended() == 0.0
        await desk.submit("a", "A")
        assert await desk.unattended() > 0.0
        await desk.give_up(0, "it has taken nothing")
        await desk.take(0, None, 0, START, "worker")
        assert await desk.unattended() == 0.0
        await desk.give_up(0, "Ray Train's folder is gone")
        assert await desk.next("a", 0) == Outcome("broken", "Ray Train's folder is gone")
        assert await desk.broken() == "Ray Train's folder is gone"

    run(story())


def test_intermediate_results_come_in_order_and_once() -> None:
    async def story() -> None:
        desk = Desk(attempts=1)
        await desk.submit("a", "A")
        await desk.take(0, None, 0, START, "worker")
        waiting = asyncio.create_task(desk.next("a", 0))
        await asyncio.sleep(0)
        for epoch, objective in ((1, 0.5), (1, 0.5), (4, 0.7)):  # a resumed training says an epoch twice
            await desk.rung("a", START, {"epoch": epoch, "objective": objective})
        await desk.finish("a", START, Outcome("finished"))
        assert await waiting == {"epoch": 1, "objective": 0.5}
        assert await desk.next("a", 1) == {"epoch": 4, "objective": 0.7}
        assert await desk.next("a", 2) == Outcome("finished")

    run(story())


def test_stopping() -> None:
    async def story() -> None:
        desk = Desk(attempts=1)
        for name in "abc":
            await desk.submit(name, name)
        await desk.take(0, None, 0, START, "worker")
        assert await desk.report("a", START, {"loss": 1.0})
        await desk.cancel("c")
        assert await desk.next("c", 0) == Outcome("stopped")
        await desk.cancel("nobody")
        await desk.stop()
        assert not await desk.report("a", START, {"loss": 0.9})
        assert await desk.next("b", 0) == Outcome("stopped")
        await desk.submit("late", "L")
        assert await desk.next("late", 0) == Outcome("stopped")
        assert (await desk.snapshot())["a"]["loss"] == 0.9
        await desk.finish("a", START, Outcome("stopped"))
        assert await desk.snapshot() == {}
        await desk.close()
        assert await desk.take(0, 1, 0, START, "worker") is None

    run(story())


def test_a_job_that_stands_still_is_ended_with_its_workers(monkeypatch: pytest.MonkeyPatch) -> None:
    killed: list[str] = []
    monkeypatch.setattr(desk_module.ray, "kill", killed.append)

    async def story() -> None:
        desk = Desk(attempts=1)
        await desk.submit("a", "A")
        await desk.submit("waits, which is no fault of its own", "B")
        for rank in range(2):
            await desk.take(0, None, rank, START, f"worker {rank}")
        assert await desk.stalled(60.0) == []
        assert await desk.stalled(0.0) == ["a"]
        assert killed == ["worker 0", "worker 1"]
        outcome = await desk.next("a", 0)
        assert isinstance(outcome, Outcome)
        assert "compute.stall_limit" in str(outcome.reason)
        assert await desk.stalled(0.0) == []

    run(story())


def test_a_job_whose_workers_are_gone_goes_to_another_crew(living: set[str]) -> None:
    """They wake up when it is over there: what they say of it is not taken for the other crew's."""

    async def story() -> None:
        desk = Desk(attempts=3)
        await desk.submit("a", "A")
        await desk.submit("b", "B")
        for rank in range(2):
            await desk.take(0, None, rank, START, f"worker {rank}")
        living.discard("worker 0")
        await asyncio.sleep(0.01)
        assert await desk.stalled(60.0) == []
        assert set(await desk.snapshot()) == {"a"}
        living.discard("worker 1")
        assert await desk.stalled(0.0) == []
        assert await desk.snapshot() == {}
        assert not await desk.report("a", START, {"loss": 9.0})  # before any other has it
        assert await desk.take(1, None, 0, LATER, "other crew") == (0, "a", "A")

        await desk.complain("a", START, "connection closed by peer")
        await desk.rung("a", START, {"epoch": 1, "objective": 9.0})
        assert not await desk.report("a", START, {"loss": 9.0})
        await desk.finish("a", START, Outcome("stopped"))
        assert await desk.take(0, 1, 0, START, "worker 0") == (1, "b", "B")
        assert await desk.take(0, 1, 1, START, "worker 1") == (1, "b", "B")

        assert await desk.report("a", LATER, {"loss": 1.0})
        assert (await desk.snapshot())["a"] | {"seconds": 0} == {"loss": 1.0, "seconds": 0, "attempts": 2}
        await desk.rung("a", LATER, {"epoch": 1, "objective": 0.5})
        await desk.finish("a", LATER, Outcome("finished"))
        assert await desk.next("a", 0) == {"epoch": 1, "objective": 0.5}
        assert await desk.next("a", 1) == Outcome("finished")

    run(story())


def test_a_crew_that_is_back_takes_up_what_nobody_else_has(living: set[str]) -> None:
    async def story() -> None:
        desk = Desk(attempts=2)
        await desk.submit("a", "A")
        await desk.take(0, None, 0, START, "worker 0")
        living.discard("worker 0")
        await desk.stalled(0.0)
        for rank in range(2):
            assert await desk.take(0, None, rank, LATER, "worker 1") == (1, "a", "A")
        assert await desk.take(0, None, 1, START, "worker 0") is None  # sent home
        assert await desk.report("a", LATER, {})

    run(story())


def test_a_job_that_nobody_wants_ends_with_its_workers(living: set[str]) -> None:
    async def story() -> None:
        desk = Desk(attempts=2)
        await desk.submit("a", "A")
        await desk.take(0, None, 0, START, "worker 0")
        await desk.stop()
        living.discard("worker 0")
        await desk.stalled(0.0)
        assert await desk.next("a", 0) == Outcome("stopped")

    run(story())


def test_a_study_waits_from_when_the_last_worker_was_seen(living: set[str]) -> None:
    async def story() -> None:
        desk = Desk(attempts=2)
        await desk.submit("a", "A")
        await desk.take(0, None, 0, START, "worker 0")
        await asyncio.sleep(0.1)
        assert await desk.unattended() == 0.0
        living.discard("worker 0")
        await asyncio.sleep(0.02)
        assert 0.0 < await desk.unattended() < 0.1
        living.add("worker 0")
        assert await desk.unattended() == 0.0
        living.discard("worker 0")
        await desk.finish("a", START, Outcome("finished"))
        assert await desk.unattended() == 0.0  # nothing is left to do

    run(story())


def test_a_broken_job_is_known() -> None:
    async def story() -> None:
        desk = Desk(attempts=1)
        await desk.submit("a", "A")
        await desk.take(0, None, 0, START, "worker")
        assert await desk.broken() is None
        await desk.finish("a", START, Outcome("broken", "No space left on device"))
        assert await desk.broken() == "No space left on device"

    run(story())
