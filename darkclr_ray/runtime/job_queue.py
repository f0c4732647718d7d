"""The job queue: where trials leave jobs, and worker groups of training workers fetch them and tell how they get on.

One small actor without CPUs. It keeps no truth: what is worth keeping is in the store, so a study whose job queue is
lost is simply run again.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Literal

import ray

State = Literal["finished", "failed", "stopped", "broken"]
"""How a job ended. finished: there is a result. failed: it cannot succeed (a loss that diverged, a bug): the reason is
told. stopped: asked to; it can go on from its checkpoint. broken: the surroundings failed (a full disk), and the study
should pause."""

ANSWER = 1.0
"""Seconds in which a worker that is not stuck says that it is there."""


@dataclass(frozen=True)
class Outcome:
    """How a job ended, why, and what came out."""

    state: State
    reason: str | None = None
    result: dict[str, Any] = field(default_factory=dict)


@dataclass
class Job:
    """State of one job. ``holder``: the start of workers that has the job; reports of others are ignored."""

    name: str
    payload: Any
    submitted: float
    started: float | None = None
    moved: float = 0.0
    holder: int | None = None
    attempts: int = 0
    stop: bool = False
    progress: dict[str, Any] = field(default_factory=dict)
    rungs: list[dict[str, Any]] = field(default_factory=list)
    complaint: str | None = None
    outcome: Outcome | None = None


@dataclass
class WorkerGroup:
    """What the job queue knows of one worker group.

    Attributes:
        jobs: those that it took, by position; None where one was taken from it.
        starts: of its workers, the latest last.
        workers: handles of those of the latest start that have come, by rank.
    """

    jobs: list[Job | None] = field(default_factory=list)
    starts: list[int] = field(default_factory=list)
    workers: dict[int, Any] = field(default_factory=dict)

    @property
    def job(self) -> Job | None:
        """The one that it has and that has not ended."""
        last = self.jobs[-1] if self.jobs else None
        return last if last is not None and last.outcome is None else None

    def resting(self, limit: float) -> Job | None:
        """The one that it has where that has not moved for ``limit`` seconds."""
        return self.job if self.job is not None and time.monotonic() - self.job.moved >= limit else None

    def meet(self, start: int, rank: int, worker: Any) -> None:
        """A worker comes. The first of a start takes the place of all earlier ones, which may wake up later."""
        if start not in self.starts:
            self.starts.append(start)
            self.workers = {}
        if start == self.starts[-1]:
            self.workers[rank] = worker


class JobQueue:
    """Jobs in the order in which they came; each worker group works on one at a time. Runs as an asynchronous actor.

    A worker group takes jobs by position: all ranks of a worker group ask for the same position and get the same job,
    and a worker group that was started again (position None) gets back the job that it left unfinished, unless that
    went to another worker group meanwhile. Whichever rank of a start comes first decides for all of them whether the
    job is still worth an attempt.

    Args:
        attempts: how often a job is taken up before it counts as failed.
    """

    def __init__(self, attempts: int) -> None:
        self.attempts = attempts
        self.waiting: deque[Job] = deque()
        self.jobs: dict[str, Job] = {}
        self.worker_groups: dict[int, WorkerGroup] = {}
        self.attended = 0.0
        self.closed = False
        self.stopping = False
        self.changed = asyncio.Condition()

    async def submit(self, name: str, payload: Any) -> None:
        """A new job. One that is known already stays as it is, so that a lost caller can ask again."""
        if name not in self.jobs:
            self.jobs[name] = job = Job(name, payload, time.monotonic(), moved=time.monotonic())
            self.waiting.append(job)
            if self.stopping:
                await self.stop()
        await self._wake()

    async def take(
        self, worker_group: int, position: int | None, rank: int, start: int, worker: Any
    ) -> tuple[int, str, Any] | None:
        """The worker group's job at a position (None: the one it left, or the next); waits for it. None: go home.

        ``start`` is a number that all ranks share and that no other start of the worker group has.
        """
        own = self.worker_groups.setdefault(worker_group, WorkerGroup())
        own.meet(start, rank, worker)
        if position is None:
            position = len(own.jobs) - (own.job is not None)
        while start == own.starts[-1]:
            if position < len(own.jobs):
                job = own.jobs[position]
                if job is not None and job.outcome is None and job.holder != start:
                    await self._begin(job, start)
                if job is not None and job.outcome is None:
                    return position, job.name, job.payload
                position += 1
            elif self.closed:
                return None
            elif self.waiting and position == len(own.jobs) and own.job is None:
                own.jobs.append(self.waiting.popleft())  # not before the last has ended: a rank may be lost
            else:
                await self._sleep()
        return None  # a later start of the worker group is at work

    async def _begin(self, job: Job, start: int) -> None:
        job.moved = time.monotonic()
        job.started = job.started or job.moved
        if job.attempts == self.attempts:
            last = f"at last by {job.complaint}" if job.complaint else "killed, out of memory, or their node went"
            await self._end(job, Outcome("failed", f"its workers were lost {self.attempts} times ({last})"))
            return
        job.holder = start
        job.attempts += 1
        job.complaint = None

    async def report(self, name: str, start: int, progress: dict[str, Any]) -> bool:
        """Where a job stands; whether its workers, of this start, shall go on."""
        job = self.jobs[name]
        if job.holder != start:
            return False  # others have it, or may have it
        if progress.get("stage") != job.progress.get("stage"):
            job.progress = {}
        job.progress.update(progress)
        job.moved = time.monotonic()
        return not (job.stop or self.stopping or job.outcome is not None)

    async def rung(self, name: str, start: int, values: dict[str, Any]) -> None:
        """An intermediate result, once for each epoch."""
        job = self.jobs[name]
        if job.holder == start and all(values["epoch"] != known["epoch"] for known in job.rungs):
            job.rungs.append(values)
        await self._wake()

    async def complain(self, name: str, start: int, words: str) -> None:
        """An error ends the workers that have a job. The first of a start counts: it may be what ended the others."""
        job = self.jobs[name]
        if job.holder == start:
            job.complaint = job.complaint or words

    async def give_up(self, worker_group: int, reason: str) -> None:
        """A worker group does not start any more: the job that it has waits for nobody."""
        job = self.worker_groups[worker_group].job if worker_group in self.worker_groups else None
        if job is not None:
            await self._end(job, Outcome("broken", reason))

    async def finish(self, name: str, start: int, outcome: Outcome) -> None:
        """Workers are through with a job; what those say counts that have it."""
        job = self.jobs[name]
        if job.holder == start:
            await self._end(job, outcome)

    async def _end(self, job: Job, outcome: Outcome) -> None:
        """The first outcome of a job counts."""
        if job.outcome is None:
            job.outcome = outcome
            job.moved = time.monotonic()
        await self._wake()

    async def next(self, name: str, seen: int) -> dict[str, Any] | Outcome:
        """The job's intermediate result number ``seen``, or its outcome if it comes before; waits for it."""
        job = self.jobs[name]
        while len(job.rungs) <= seen and job.outcome is None:
            await self._sleep()
        if len(job.rungs) > seen:
            return job.rungs[seen]
        assert job.outcome is not None
        return job.outcome

    async def cancel(self, name: str) -> None:
        """Nobody wants the job any more: it ends after its epoch, or never begins."""
        job = self.jobs.get(name)
        if job is not None:
            job.stop = True
            if job in self.waiting:
                self.waiting.remove(job)
                await self._end(job, Outcome("stopped"))

    async def stop(self) -> None:
        """Let all jobs end after their epoch; those that wait never begin."""
        self.stopping = True
        for job in list(self.waiting):  # a copy: others may submit meanwhile
            if job in self.waiting:
                self.waiting.remove(job)
                await self._end(job, Outcome("stopped"))

    async def close(self) -> None:
        """Send worker groups home once they are done."""
        self.closed = True
        await self._wake()

    async def stalled(self, limit: float) -> list[str]:
        """End jobs that have not moved for ``limit`` seconds, with the workers that hold them; their names.

        Where none of these is there any more, and Ray finds no place for new ones, the job is not to blame: others may
        have it, and go on from its checkpoint.
        """
        names = []
        for worker_group in list(self.worker_groups.values()):  # a copy: others may come meanwhile
            if worker_group.resting(limit) is None:
                continue
            attended = await anyone(worker_group.workers.values())
            job = worker_group.resting(limit)  # it may have moved while they were asked
            if job is None:
                continue
            if not attended:
                await self._hand_back(worker_group, job)
                continue
            await self._end(job, Outcome("failed", f"no progress for {limit:g} s (compute.stall_limit)"))
            for worker in worker_group.workers.values():
                ray.kill(worker)
            names.append(job.name)
        return names

    async def _hand_back(self, worker_group: WorkerGroup, job: Job) -> None:
        """A job goes to whichever worker group is free next; one that nobody wants any more ends."""
        worker_group.jobs[-1] = job.holder = job.started = None
        if job.stop or self.stopping:
            await self._end(job, Outcome("stopped"))
        else:
            self.waiting.appendleft(job)
            await self._wake()

    async def snapshot(self) -> dict[str, dict[str, Any]]:
        """Where each job stands that has begun and not ended, for a display."""
        now = time.monotonic()
        return {
            job.name: {
                **job.progress,
                "seconds": now - job.started,
                "attempts": job.attempts,
            }
            for job in self.jobs.values()
            if job.started is not None and job.outcome is None
        }

    async def unattended(self) -> float:
        """Seconds since which there are jobs and no living worker."""
        submitted = [job.submitted for job in self.jobs.values() if job.outcome is None]
        if not submitted:
            return 0.0
        if await anyone(
            worker for worker_group in self.worker_groups.values() for worker in worker_group.workers.values()
        ):
            self.attended = time.monotonic()
            return 0.0
        return time.monotonic() - max(self.attended, min(submitted))

    async def broken(self) -> str | None:
        """Why the study should pause, if it should."""
        outcomes = [job.outcome for job in self.jobs.values() if job.outcome is not None]
        return next((outcome.reason for outcome in outcomes if outcome.state == "broken"), None)

    async def taken(self) -> int:
        """How many jobs have been taken up so far, counting each attempt."""
        return sum(job.attempts for job in self.jobs.values())

    async def _wake(self) -> None:
        async with self.changed:
            self.changed.notify_all()

    async def _sleep(self) -> None:
        async with self.changed:
            await self.changed.wait()


async def anyone(workers: Iterable[Any]) -> bool:
    """Whether any of these is alive."""
    for worker in list(workers):  # a copy: others may come meanwhile
        if await alive(worker):
            return True
    return False


async def alive(worker: Any) -> bool:
    """Whether a worker's process is there: one that does not answer in time is busy or stuck, not gone."""
    try:
        await asyncio.wait_for(worker.__ray_ready__.remote(), ANSWER)
    except ray.exceptions.RayActorError:
        return False
    except TimeoutError:
        return True
    return True
