"""The mailbox without Ray: which rank gets which job, when a job ends, and what restarted workers find."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Coroutine
from typing import Any

import pytest
from ray.train import ControllerError

from darkclr_ray.runtime import mailbox as mailbox_module
from darkclr_ray.runtime.mailbox import MAX_FAILED_STARTS, Mailbox
from darkclr_ray.runtime.outcome import Outcome

from .test_lost import OUT_OF_MEMORY

FIRST, SECOND = 7, 8
"""Tokens of two starts of the workers."""


@pytest.fixture(autouse=True)
def living(monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """Workers that are alive, by what stands for their handles here."""
    there = {"worker 0", "worker 1"}

    async def is_alive(worker: str) -> bool:
        await asyncio.sleep(0)
        return worker in there

    monkeypatch.setattr(mailbox_module, "is_alive", is_alive)
    monkeypatch.setattr(mailbox_module, "CHECK_SECONDS", 0.0)
    return there


def run(story: Coroutine[Any, Any, None]) -> None:
    asyncio.run(asyncio.wait_for(story, 10))


def boxed(max_attempts: int = 3, stall_limit: float = 60.0) -> Mailbox:
    return Mailbox(max_attempts, stall_limit)


async def outcome_of(box: Mailbox) -> Outcome | None:
    return (await box.news(0.0)).outcome


def test_all_ranks_get_the_same_jobs_in_turn() -> None:
    async def story() -> None:
        box = boxed()
        early = asyncio.create_task(box.get(FIRST, 1, 0, "worker 1"))  # waits
        await asyncio.sleep(0)
        await box.put("a", "A")
        assert await box.get(FIRST, 0, 0, "worker 0") == ("a", "A")
        assert await early == ("a", "A")
        await box.finish(FIRST, 0, Outcome("finished", result={"x": 1}))
        assert await outcome_of(box) == Outcome("finished", result={"x": 1})
        await box.put("b", "B")
        for rank in (1, 0):
            assert await box.get(FIRST, rank, 1, f"worker {rank}") == ("b", "B")

    run(story())


def test_a_rank_that_is_late_does_not_skip_a_job_that_was_replaced() -> None:
    """Ranks that work on different jobs would wait for one another for ever."""

    async def story() -> None:
        box = boxed()
        await box.put("a", "A")
        assert await box.get(FIRST, 0, 0, "worker 0") == ("a", "A")
        await box.put("b", "B")
        assert await box.get(FIRST, 1, 0, "worker 1") == ("a", "A")
        assert not await box.report(FIRST, 0, {"epoch": 1})
        await box.finish(FIRST, 0, Outcome("stopped"))  # of the replaced job
        assert await outcome_of(box) is None
        for rank in (1, 0):
            assert await box.get(FIRST, rank, 1, f"worker {rank}") == ("b", "B")
        assert await box.report(FIRST, 1, {"epoch": 1})

    run(story())


def test_restarted_workers_get_the_job_back_until_its_attempts_are_used_up() -> None:
    async def story() -> None:
        box = boxed(max_attempts=3)
        await box.put("a", "A")
        for start in range(3):
            for rank in (1, 0):
                assert await box.get(start, rank, 0, f"worker {rank}") == ("a", "A")
        waiting = [asyncio.create_task(box.get(3, rank, 0, f"worker {rank}")) for rank in (1, 0)]
        await asyncio.sleep(0.01)
        outcome = await outcome_of(box)
        assert outcome is not None
        assert outcome.state == "failed"
        assert "lost 3 times" in str(outcome.reason)
        await box.put("b", "B")
        assert await asyncio.gather(*waiting) == [("b", "B")] * 2

    run(story())


def test_no_rank_runs_ahead_of_a_job_that_may_still_be_lost() -> None:
    async def story() -> None:
        box = boxed()
        await box.put("a", "A")
        for rank in range(2):
            assert await box.get(FIRST, rank, 0, f"worker {rank}") == ("a", "A")
        ahead = asyncio.create_task(box.get(FIRST, 1, 1, "worker 1"))  # rank 1 has finished, rank 0 is lost
        await asyncio.sleep(0.01)
        assert not ahead.done()
        for rank in range(2):
            assert await box.get(SECOND, rank, 0, f"worker {rank}") == ("a", "A")
        assert await ahead is None
        await box.finish(SECOND, 0, Outcome("finished"))
        await box.put("b", "B")
        assert await box.get(SECOND, 0, 1, "worker 0") == ("b", "B")

    run(story())


def test_an_error_that_ends_workers_again_and_again_is_reported() -> None:
    async def story() -> None:
        box = boxed(max_attempts=2)
        await box.put("a", "A")
        for start in range(2):
            await box.get(start, 0, 0, "worker 0")
            await box.record_error(start, 0, f"ValueError: no training jets of the signal 'aachen' ({start})")
            await box.record_error(start, 0, "RuntimeError: connection closed by peer")  # of a rank that waited
        last = asyncio.create_task(box.get(2, 0, 0, "worker 0"))
        await asyncio.sleep(0.01)
        outcome = await outcome_of(box)
        assert outcome is not None
        assert outcome.state == "failed"
        assert "2 times (last error: ValueError: no training jets of the signal 'aachen' (1))" in str(outcome.reason)
        await box.close()
        assert await last is None

    run(story())


def test_workers_that_never_ask_for_a_job_break_it() -> None:
    async def story() -> None:
        box = boxed()
        await box.put("a", "A")
        for _ in range(MAX_FAILED_STARTS):
            await box.start_failed("ImportError: no module")
        assert await outcome_of(box) is None
        await box.start_failed("ImportError: no module")
        broken = Outcome("broken", "the training workers do not start: ImportError: no module")
        assert await outcome_of(box) == broken
        await box.put("b", "B")
        assert await outcome_of(box) == broken

    run(story())


def test_failures_of_workers_that_have_asked_for_a_job_are_attempts() -> None:
    async def story() -> None:
        box = boxed(max_attempts=100)
        await box.put("a", "A")
        for start in range(3 * MAX_FAILED_STARTS):
            assert await box.get(start, 0, 0, "worker 0") == ("a", "A")
            await box.start_failed("killed")
        assert await outcome_of(box) is None

    run(story())


def test_a_fit_that_fails_before_any_worker_has_started_breaks_the_job(monkeypatch: pytest.MonkeyPatch) -> None:
    context = type("Context", (), {"current_actor": "mailbox"})()
    monkeypatch.setattr(mailbox_module.ray, "get_runtime_context", lambda: context)

    def fit(mailbox: str) -> None:
        raise OSError("the folder of Ray Train is gone")

    async def story() -> None:
        box = boxed()
        await box.put("a", "A")
        await box.train(fit)
        outcome = await outcome_of(box)
        assert outcome == Outcome("broken", "the training workers do not start: the folder of Ray Train is gone")
        later = boxed()
        await later.put("a", "A")
        await later.get(FIRST, 0, 0, "worker 0")
        with pytest.raises(OSError, match="gone"):  # the trial is retried with another worker group
            await later.train(fit)

    run(story())


def test_a_fit_is_run_again_where_its_workers_found_no_place(monkeypatch: pytest.MonkeyPatch) -> None:
    context = type("Context", (), {"current_actor": "mailbox"})()
    monkeypatch.setattr(mailbox_module.ray, "get_runtime_context", lambda: context)
    fits: list[str] = []

    def fit(mailbox: str) -> None:
        fits.append(mailbox)
        if len(fits) == 3 * MAX_FAILED_STARTS:
            box.closed = True
        raise ControllerError(TimeoutError("no place"))

    box = boxed()

    async def story() -> None:
        await box.put("a", "A")
        await box.train(fit)

    monkeypatch.setattr(mailbox_module, "PLACE_SECONDS", 0.0)
    run(story())
    assert len(fits) == 3 * MAX_FAILED_STARTS
    assert box.start_error is None


def test_a_fit_that_fails_at_once_again_and_again_breaks_the_job(monkeypatch: pytest.MonkeyPatch) -> None:
    context = type("Context", (), {"current_actor": "mailbox"})()
    monkeypatch.setattr(mailbox_module.ray, "get_runtime_context", lambda: context)

    def fit(mailbox: str) -> None:
        if box.start_error is not None:
            box.closed = True
        raise ControllerError(OSError("the folder of Ray Train is gone"))

    box = boxed()

    async def story() -> None:
        await box.put("a", "A")
        await box.train(fit)
        outcome = await outcome_of(box)
        assert outcome is not None
        assert outcome.state == "broken"
        assert "the folder of Ray Train is gone" in str(outcome.reason)

    run(story())


def test_intermediate_results_come_in_order_and_once() -> None:
    async def story() -> None:
        box = boxed()
        await box.put("a", "A")
        await box.get(FIRST, 0, 0, "worker 0")
        waiting = asyncio.create_task(box.news(5.0))
        await asyncio.sleep(0)
        for epoch, objective in ((1, 0.5), (1, 0.5), (4, 0.7)):  # a resumed training reports an epoch twice
            await box.report_metric(FIRST, 0, {"epoch": epoch, "objective": objective})
        await box.finish(FIRST, 0, Outcome("finished"))
        assert (await waiting).metric == {"epoch": 1, "objective": 0.5}
        assert (await box.news(5.0)).metric == {"epoch": 4, "objective": 0.7}
        last = await box.news(5.0)
        assert (last.metric, last.outcome) == (None, Outcome("finished"))

    run(story())


def test_progress_is_that_of_the_stage_at_work() -> None:
    async def story() -> None:
        box = boxed()
        await box.put("a", "A")
        assert (await box.news(0.0)).progress == {"seconds": 0.0, "attempts": 0}
        await box.get(FIRST, 0, 0, "worker 0")
        await box.report(FIRST, 0, {"stage": "energy", "loss": 1.0})
        await box.report(FIRST, 0, {"stage": "energy", "epoch": 1})
        progress = (await box.news(0.0)).progress
        assert progress | {"seconds": 0} == {"stage": "energy", "loss": 1.0, "epoch": 1, "seconds": 0, "attempts": 1}
        await box.report(FIRST, 0, {"stage": "scores"})
        assert "loss" not in (await box.news(0.0)).progress

    run(story())


def test_cancelling(living: set[str]) -> None:
    async def story() -> None:
        box = boxed()
        await box.cancel()  # there is no job
        await box.put("never begun", "A")
        await box.cancel()
        assert await outcome_of(box) == Outcome("stopped")
        await box.put("a", "A")
        await box.get(FIRST, 0, 0, "worker 0")
        assert await box.report(FIRST, 0, {"loss": 1.0})
        await box.cancel()
        assert await outcome_of(box) is None  # not before its epoch has ended
        assert not await box.report(FIRST, 0, {"loss": 0.9})
        await box.finish(FIRST, 0, Outcome("stopped"))
        assert await outcome_of(box) == Outcome("stopped")
        await box.put("b", "B")
        await box.get(FIRST, 0, 1, "worker 0")
        await box.cancel()
        living.clear()  # lost before the epoch has ended
        assert await outcome_of(box) == Outcome("stopped")
        await box.close()
        assert await box.get(SECOND, 0, 0, "worker 0") is None

    run(story())


def test_a_job_without_progress_fails_and_its_workers_are_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    killed: list[str] = []
    monkeypatch.setattr(mailbox_module.ray, "kill", killed.append)

    async def story() -> None:
        box = boxed(stall_limit=0.1)
        await box.put("a", "A")
        await asyncio.sleep(0.2)
        await box.news(0.0)
        assert await outcome_of(box) is None  # it waits for its workers, which is not its fault
        for rank in range(2):
            await box.get(FIRST, rank, 0, f"worker {rank}")
        await box.news(0.0)
        assert killed == []
        await asyncio.sleep(0.2)
        await box.news(0.0)
        assert killed == ["worker 0", "worker 1"]
        outcome = await outcome_of(box)
        assert outcome is not None
        assert outcome.state == "failed"
        assert "compute.stall_limit" in str(outcome.reason)

    run(story())


def test_a_job_whose_workers_are_lost_waits(living: set[str]) -> None:
    async def story() -> None:
        box = boxed(stall_limit=0.1)
        await box.put("a", "A")
        for rank in range(2):
            await box.get(FIRST, rank, 0, f"worker {rank}")
        living.discard("worker 0")
        await asyncio.sleep(0.05)
        await box.news(0.0)
        assert (await box.news(0.0)).waiting < 0.04  # the other one is alive
        living.clear()
        await asyncio.sleep(0.2)
        news = await box.news(0.0)
        assert news.waiting >= 0.2
        assert news.outcome is None
        living.add("worker 0")
        assert await box.get(SECOND, 0, 0, "worker 0") == ("a", "A")
        assert (await box.news(0.0)).waiting < 0.1

    run(story())


def test_workers_of_an_earlier_start_have_no_effect() -> None:
    """Those of a host without network wake up when the job is with others."""

    async def story() -> None:
        box = boxed()
        await box.put("a", "A")
        await box.get(FIRST, 0, 0, "worker 0")
        await box.get(SECOND, 0, 0, "worker 1")
        assert not await box.report(FIRST, 0, {"loss": 9.0})
        await box.report_metric(FIRST, 0, {"epoch": 1, "objective": 9.0})
        await box.record_error(FIRST, 0, "connection closed by peer")
        await box.finish(FIRST, 0, Outcome("stopped"))
        assert await box.get(FIRST, 0, 1, "worker 0") is None
        assert await box.report(SECOND, 0, {"loss": 1.0})
        news = await box.news(0.0)
        assert (news.metric, news.outcome, news.progress["loss"]) == (None, None, 1.0)
        assert box.job is not None
        assert box.job.error is None

    run(story())


@pytest.mark.parametrize(
    ("largest", "state"), [(0.5, "broken"), (14.0, "failed")], ids=["others filled it", "the job filled it"]
)
def test_a_job_whose_workers_memory_was_filled_by_others_is_not_to_blame(largest: float, state: str) -> None:
    async def story() -> None:
        box = boxed(max_attempts=2)
        await box.put("a", "A")
        for start in range(2):
            assert await box.get(start, 0, 0, "worker 0") == ("a", "A")
            await box.start_failed(OUT_OF_MEMORY.replace("21.64GB", f"{largest}GB"))
        waiting = asyncio.create_task(box.get(2, 0, 0, "worker 0"))
        await asyncio.sleep(0.01)
        news = await box.news(0.0)
        assert news.outcome is not None
        assert news.outcome.state == state
        assert "memory ran out on node 10.0.0.1 (22.7 of 24.3 GB in use): Ray killed" in str(news.outcome.reason)
        assert "memory ran out on node 10.0.0.1" in news.progress["lost"]
        await box.put("b", "B")
        assert await waiting == ("b", "B")
        assert "lost" not in (await box.news(0.0)).progress

    run(story())


def test_a_group_without_a_place_ends_as_broken_if_nobody_else_holds_one(living: set[str]) -> None:
    async def story() -> None:
        living.clear()
        for limit, expected in ((math.inf, None), (0.0, "broken")):
            box = Mailbox(3, 60.0, limit)
            await box.put("a", "A")
            outcome = await outcome_of(box) or await outcome_of(box)
            assert (outcome and outcome.state) == expected

    run(story())
