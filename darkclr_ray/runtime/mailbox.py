"""The mailbox: an actor between a Tune trial and the training workers of its worker group.

It needs no CPU. It holds one job at a time and keeps nothing that would be missed: results are in the store, so a trial
whose mailbox is lost is retried with another worker group.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

import ray
from ray.train import ControllerError

from darkclr_ray.runtime.lost import out_of_memory, why_lost
from darkclr_ray.runtime.outcome import Outcome, State

ANSWER_SECONDS = 1.0
"""Seconds in which a worker that is not blocked answers."""

CHECK_SECONDS = 5.0
"""Seconds without a report after which the mailbox checks whether workers are alive."""

PLACE_SECONDS = 20.0
"""Seconds within which a fit does not fail for want of a place; see RAY_TRAIN_WORKER_GROUP_START_TIMEOUT_S."""

MAX_FAILED_STARTS = 3
"""Failures in a row of workers that have not asked for a job; then workers cannot start at all."""


@dataclass
class Job:
    """One job: its payload, its progress and how it ended.

    Attributes:
        attempts: number of times that a set of workers has started it.
        metrics: reported intermediate results that `Mailbox.news` has not returned yet.
        epochs: epochs of all reported intermediate results.
        error: first error that workers raised in the latest attempt.
    """

    name: str
    payload: Any
    started: float | None = None
    updated: float = field(default_factory=time.monotonic)
    attempts: int = 0
    stop: bool = False
    progress: dict[str, Any] = field(default_factory=dict)
    metrics: list[dict[str, Any]] = field(default_factory=list)
    epochs: set[int] = field(default_factory=set)
    error: str | None = None
    outcome: Outcome | None = None

    def end(self, outcome: Outcome) -> None:
        """Record the outcome, unless there is one."""
        self.outcome = self.outcome or outcome


@dataclass(frozen=True)
class News:
    """State of the current job, as `Mailbox.news` returns it.

    Attributes:
        progress: latest reported progress, with "seconds" since the job started, its "attempts", and with "lost", why
            workers were lost last, if any were.
        metric: one intermediate result, or None.
        outcome: how the job ended, once all intermediate results have been returned.
        waiting: seconds since a worker was last alive.
    """

    progress: dict[str, Any]
    metric: dict[str, Any] | None = None
    outcome: Outcome | None = None
    waiting: float = 0.0


class Mailbox:
    """Asynchronous actor: `put` and `news` for the trial; `get`, `report` and `finish` for the workers.

    Ray Train may restart the workers at any time. Each set of workers has a token that all of its ranks share; calls
    with an older token than the latest have no effect. All ranks of a set receive the same jobs in the same order.

    Args:
        max_attempts: number of times that a job is started before it fails.
        stall_limit: seconds without progress after which a job fails and its workers are killed.
        place_limit: seconds without a living worker after which a job ends as broken.
    """

    def __init__(self, max_attempts: int, stall_limit: float, place_limit: float = math.inf) -> None:
        self.max_attempts, self.stall_limit, self.place_limit = max_attempts, stall_limit, place_limit
        self.lost: str | None = None
        self.job: Job | None = None
        self.tokens: list[int] = []
        self.taken: list[Job] = []
        self.workers: dict[int, Any] = {}
        self.last_alive = time.monotonic()
        self.failed_starts = 0
        self.start_error: str | None = None
        self.closed = False
        self.changed = asyncio.Condition()

    async def train(self, fit: Callable[[Any], None]) -> None:
        """Run a fit of Ray Train until the group is closed; it receives the handle of this actor.

        It is run again if the workers found no place in time: such a group can be closed only between two fits, since
        the place that a killed fit waits for stays reserved. Raises what the fit raises if workers have started before.
        """
        while not self.closed:
            began = time.monotonic()
            try:
                await asyncio.to_thread(fit, ray.get_runtime_context().current_actor)
                return
            except ControllerError as error:
                if time.monotonic() - began < PLACE_SECONDS:
                    await self.start_failed(str(error))
            except Exception as error:
                if self.tokens:
                    raise
                await self._fail_start(str(error))
                return

    async def put(self, name: str, payload: Any) -> None:
        """Set the next job. The workers leave an unfinished one after its epoch."""
        self.job, self.lost = Job(name, payload), None
        self.last_alive = time.monotonic()
        if self.start_error is not None:
            self.job.end(Outcome("broken", self.start_error))
        await self._notify()

    async def news(self, timeout: float) -> News:
        """Return the state of the current job: at once if it has ended or reported a metric, else after the timeout."""
        job = self.job
        assert job is not None
        end = time.monotonic() + timeout
        while not job.metrics and job.outcome is None and time.monotonic() < end:
            await self._wait(end - time.monotonic())
        if not job.metrics and job.outcome is None and time.monotonic() - job.updated >= CHECK_SECONDS:
            await self._check_workers(job)
        seconds = time.monotonic() - job.started if job.started is not None else 0.0
        progress = {**job.progress, "seconds": seconds, "attempts": job.attempts}
        if self.lost is not None:
            progress["lost"] = why_lost(self.lost)
        if job.metrics:
            return News(progress, metric=job.metrics.pop(0))
        return News(progress, outcome=job.outcome, waiting=time.monotonic() - self.last_alive)

    async def cancel(self) -> None:
        """Ask the workers to stop the current job after its epoch; it ends at once if no worker has it."""
        job = self.job
        if job is None or job.outcome is not None or job.stop:
            return
        job.stop = True
        if job not in self.taken or not await any_alive(self.workers.values()):
            job.end(Outcome("stopped"))
        await self._notify()

    async def close(self) -> None:
        """Let the workers return, after the epoch of an unfinished job."""
        self.closed = True
        if self.job is not None:
            self.job.stop = True
        await self._notify()

    async def get(self, token: int, rank: int, index: int, worker: Any) -> tuple[str, Any] | None:
        """Return the name and payload of a rank's job number ``index`` since its start; block until there is one.

        None means that the worker should return.
        """
        if token not in self.tokens:
            self.tokens.append(token)
            self.workers, self.taken = {}, []
            await self._notify()
        if token == self.tokens[-1]:
            self.workers[rank] = worker
            self.failed_starts = 0
        while token == self.tokens[-1]:
            job = self.job
            if index < len(self.taken):
                return self.taken[index].name, self.taken[index].payload
            if self.closed:
                return None
            if job is not None and job.outcome is None and job not in self.taken:
                await self._begin(job)
            else:
                await self._wait()
        return None

    async def _begin(self, job: Job) -> None:
        self.last_alive = job.updated = time.monotonic()
        job.started = job.started or job.updated
        if job.attempts == self.max_attempts:
            job.end(self._lost_too_often(job))
            await self._notify()
            return
        job.attempts += 1
        job.error = None
        self.taken.append(job)

    def _lost_too_often(self, job: Job) -> Outcome:
        """Return the outcome of a job whose workers were lost again and again.

        Where the memory of their node was filled by others, the job is not the cause, and the study should pause.
        """
        memory = out_of_memory(f"{self.lost} {job.error}")
        if job.error:
            last = f"last error: {why_lost(job.error)}"
        else:
            last = why_lost(self.lost) if self.lost else "killed, out of memory, or their node was lost"
        state: State = "broken" if memory is not None and not memory.by_itself else "failed"
        return Outcome(state, f"its workers were lost {self.max_attempts} times ({last})")

    def _current(self, token: int, index: int) -> Job | None:
        """Return the current job if the caller's start and job are the current ones."""
        if not self.tokens or token != self.tokens[-1] or index >= len(self.taken):
            return None
        job = self.taken[index]
        return job if job is self.job and job.outcome is None else None

    async def report(self, token: int, index: int, progress: dict[str, Any]) -> bool:
        """Record progress; return whether the workers should continue."""
        job = self._current(token, index)
        if job is None:
            return False
        if progress.get("stage") != job.progress.get("stage"):
            job.progress = {}
        job.progress.update(progress)
        self.last_alive = job.updated = time.monotonic()
        return not job.stop

    async def report_metric(self, token: int, index: int, values: dict[str, Any]) -> None:
        """Record an intermediate result; a resumed training may report an epoch again."""
        job = self._current(token, index)
        if job is not None and values["epoch"] not in job.epochs:
            job.epochs.add(values["epoch"])
            job.metrics.append(values)
            await self._notify()

    async def record_error(self, token: int, index: int, message: str) -> None:
        """Record an error that ends the workers. The first one counts: it may be the cause of the others."""
        job = self._current(token, index)
        if job is not None:
            job.error = job.error or message

    async def finish(self, token: int, index: int, outcome: Outcome) -> None:
        """Record the outcome of the current job."""
        job = self._current(token, index)
        if job is not None:
            job.end(outcome)
            await self._notify()

    async def start_failed(self, message: str) -> None:
        """Count a failure of the workers; a job ends as broken if they fail again and again before they ask for it."""
        self.lost = message
        self.failed_starts += 1
        if self.failed_starts > MAX_FAILED_STARTS:
            await self._fail_start(message)

    async def _fail_start(self, message: str) -> None:
        self.start_error = f"the training workers do not start: {why_lost(message)}"
        if self.job is not None:
            self.job.end(Outcome("broken", self.start_error))
        await self._notify()

    async def _check_workers(self, job: Job) -> None:
        """Fail a job that makes no progress although a worker is alive, and kill its workers."""
        if not await any_alive(self.workers.values()):
            if job.stop:
                job.end(Outcome("stopped"))
            elif time.monotonic() - self.last_alive >= self.place_limit:
                cause = why_lost(self.lost) if self.lost else "their resources are not free"
                job.end(Outcome("broken", f"no training worker for {self.place_limit:g} s ({cause})"))
            return
        self.last_alive = time.monotonic()
        if job in self.taken and job.outcome is None and time.monotonic() - job.updated >= self.stall_limit:
            job.end(Outcome("failed", f"no progress for {self.stall_limit:g} s (compute.stall_limit)"))
            for worker in self.workers.values():
                ray.kill(worker)

    async def _notify(self) -> None:
        async with self.changed:
            self.changed.notify_all()

    async def _wait(self, timeout: float | None = None) -> None:
        async with self.changed:
            try:
                await asyncio.wait_for(self.changed.wait(), timeout)
            except TimeoutError:
                return


async def any_alive(workers: Iterable[Any]) -> bool:
    """Return whether any of these workers is alive."""
    for worker in list(workers):  # a copy: the workers may change meanwhile
        if await is_alive(worker):
            return True
    return False


async def is_alive(worker: Any) -> bool:
    """Return whether the process of a worker exists; one that does not answer in time is blocked, not lost."""
    try:
        await asyncio.wait_for(worker.__ray_ready__.remote(), ANSWER_SECONDS)
    except ray.exceptions.RayActorError:
        return False
    except TimeoutError:
        return True
    return True
