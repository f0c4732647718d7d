"""The desk: where trials leave jobs, and crews of training workers fetch them and tell how they get on.

One small actor without CPUs. It keeps no truth: what is worth keeping is in the store, so a study whose desk is lost is
simply run again.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from dataclasses import dataclass, field
from typing import Any, Literal

import ray

State = Literal["finished", "failed", "stopped", "broken"]
"""How a job ended. finished: there is a result. failed: it cannot succeed (a loss that diverged, a bug): the reason is
told. stopped: asked to; it can go on from its checkpoint. broken: the surroundings failed (a full disk), and the study
should pause."""


@dataclass(frozen=True)
class Outcome:
    """How a job ended, why, and what came out."""

    state: State
    reason: str | None = None
    result: dict[str, Any] = field(default_factory=dict)


@dataclass
class Job:
    """What the desk knows of one job."""

    name: str
    payload: Any
    submitted: float
    started: float | None = None
    moved: float = 0.0
    starts: set[int] = field(default_factory=set)
    stop: bool = False
    progress: dict[str, Any] = field(default_factory=dict)
    rungs: list[dict[str, Any]] = field(default_factory=list)
    complaint: str | None = None
    outcome: Outcome | None = None

    @property
    def attempts(self) -> int:
        """How many starts of workers have taken it up."""
        return len(self.starts)


class Desk:
    """Jobs in the order in which they came; each crew works on one at a time. Runs as an asynchronous actor.

    A crew takes jobs by position: all ranks of a crew ask for the same position and get the same job, and a crew that
    was started again (position None) gets back the job that it left unfinished. Whichever rank of a start comes first
    decides for all of them whether the job is still worth an attempt.

    Args:
        attempts: how often a job is taken up before it counts as failed.
    """

    def __init__(self, attempts: int) -> None:
        self.attempts = attempts
        self.waiting: deque[Job] = deque()
        self.jobs: dict[str, Job] = {}
        self.crews: dict[int, list[Job]] = {}
        self.workers: dict[int, dict[int, Any]] = {}
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
        self, crew: int, position: int | None, rank: int, start: int, worker: Any
    ) -> tuple[int, str, Any] | None:
        """The crew's job at a position (None: the one it left, or the next); waits for it. None: go home.

        ``start`` is a number that all ranks share and that no other start of the crew has.
        """
        self.workers.setdefault(crew, {})[rank] = worker
        own = self.crews.setdefault(crew, [])
        if position is None:
            position = len(own) - 1 if own and own[-1].outcome is None else len(own)
        while True:
            if position < len(own):
                job = own[position]
                if start not in job.starts:
                    await self._begin(job, start)
                if job.outcome is None:
                    return position, job.name, job.payload
                position += 1
            elif self.closed:
                return None
            elif self.waiting and position == len(own) and not (own and own[-1].outcome is None):
                own.append(self.waiting.popleft())  # not before all ranks are through with the last: one may be lost
            else:
                await self._sleep()

    async def _begin(self, job: Job, start: int) -> None:
        job.moved = time.monotonic()
        job.started = job.started or job.moved
        if job.attempts == self.attempts:
            last = f"at last by {job.complaint}" if job.complaint else "killed, out of memory, or their node went"
            await self.finish(job.name, Outcome("failed", f"its workers were lost {self.attempts} times ({last})"))
        job.starts.add(start)
        job.complaint = None

    async def report(self, name: str, progress: dict[str, Any]) -> bool:
        """Where a job stands; whether it shall go on."""
        job = self.jobs[name]
        if progress.get("stage") != job.progress.get("stage"):
            job.progress = {}
        job.progress.update(progress)
        job.moved = time.monotonic()
        return not (job.stop or self.stopping or job.outcome is not None)

    async def rung(self, name: str, values: dict[str, Any]) -> None:
        """An intermediate result, once for each epoch."""
        job = self.jobs[name]
        if all(values["epoch"] != known["epoch"] for known in job.rungs):
            job.rungs.append(values)
        await self._wake()

    async def complain(self, name: str, words: str) -> None:
        """An error ends the workers that have a job. The first of a start counts: it may be what ended the others."""
        job = self.jobs[name]
        job.complaint = job.complaint or words

    async def give_up(self, crew: int, reason: str) -> None:
        """A crew does not start any more: the job that it has waits for nobody."""
        own = self.crews.get(crew)
        if own and own[-1].outcome is None:
            await self.finish(own[-1].name, Outcome("broken", reason))

    async def finish(self, name: str, outcome: Outcome) -> None:
        """A job has ended; the first outcome counts."""
        job = self.jobs[name]
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
                await self.finish(name, Outcome("stopped"))

    async def stop(self) -> None:
        """Let all jobs end after their epoch; those that wait never begin."""
        self.stopping = True
        for job in list(self.waiting):  # a copy: others may submit meanwhile
            if job in self.waiting:
                self.waiting.remove(job)
                await self.finish(job.name, Outcome("stopped"))

    async def close(self) -> None:
        """Send crews home once they are done."""
        self.closed = True
        await self._wake()

    async def stalled(self, limit: float) -> list[str]:
        """End jobs that have not moved for ``limit`` seconds, with the workers that hold them; their names."""
        names = []
        for crew, own in list(self.crews.items()):  # a copy: others may come meanwhile
            job = own[-1] if own else None
            if job is None or job.outcome is not None or time.monotonic() - job.moved < limit:
                continue
            await self.finish(job.name, Outcome("failed", f"no progress for {limit:g} s (compute.stall_limit)"))
            for worker in self.workers.get(crew, {}).values():
                ray.kill(worker)
            names.append(job.name)
        return names

    async def snapshot(self) -> dict[str, dict[str, Any]]:
        """Where each job stands that has begun and not ended, for a display."""
        now = time.monotonic()
        return {
            job.name: {
                **job.progress,
                "seconds": now - job.started,
                "silent": now - job.moved,
                "attempts": job.attempts,
            }
            for job in self.jobs.values()
            if job.started is not None and job.outcome is None
        }

    async def unattended(self) -> float:
        """Seconds for which a job has waited without any worker having come so far."""
        return time.monotonic() - self.waiting[0].submitted if self.waiting and not self.workers else 0.0

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
