"""The part of a study that computes: training workers, someone who watches over them, and how to stop."""

from __future__ import annotations

import logging
import os
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from itertools import islice
from types import FrameType
from typing import Any

import ray

from darkclr_ray.augmentations.views import need_trees
from darkclr_ray.runtime.cluster import failing_nodes
from darkclr_ray.runtime.job_queue import Outcome
from darkclr_ray.runtime.resources import ResourcePlan
from darkclr_ray.runtime.worker_groups import InfrastructureError, WorkerGroups
from darkclr_ray.settings import StudySettings
from darkclr_ray.streams import ShardJets, materialise
from darkclr_ray.study.folder import StudyFolder
from darkclr_ray.study.jets import StudyJets
from darkclr_ray.study.job_context import DatasetRefs, Job, JobContext
from darkclr_ray.study.jobs import CalibrationJob
from darkclr_ray.study.metrics import StudyMetrics
from darkclr_ray.study.plan import Estimate
from darkclr_ray.study.progress import Display, Status

logger = logging.getLogger(__name__)

WAITING_SECONDS = 45.0
"""Seconds without any worker after which a study says what it waits for; they usually come within ten."""

TICK = 0.5
"""Seconds between two looks at the job queue."""


def start_workers(
    settings: StudySettings, jets: StudyJets, folder: StudyFolder, allocation: ResourcePlan
) -> WorkerGroups:
    """Return worker groups that fit detectors on a study's jets, by `WorkerGroups.run` of a `DetectorJob`.

    Raises ValueError where a node does not see shards that are to be streamed.
    """
    limit, trees = settings.compute.materialise_limit, need_trees(settings.views, settings.inputs)
    source = materialise(jets.folder, "train", settings.background, limit=limit, trees=trees)
    if isinstance(source, ShardJets):
        for node in failing_nodes(ShardJets.intact, source):
            raise ValueError(
                f"{jets.folder.path}: node {node} does not see these jets; point --jets at storage that all nodes "
                f"share, or raise compute.materialise_limit so that they are held in memory"
            )
    places = DatasetRefs(
        source=source,
        evaluation=ray.put(jets.judged),
        background=settings.background,
        labelled={name: ray.put(signal) for name, signal in jets.labelled.items()},
        variants=jets.variants,
    )
    work = JobContext(folder.store.folder.resolve(), places, folder.logs.resolve(), allocation.data_cpus)
    return WorkerGroups(allocation, work, (folder.logs / "train").resolve(), settings.compute.worker_failures)


class Session:
    """Everything that lives as long as Ray does.

    Ctrl-C or SIGTERM once: trainings end after their epoch, with a checkpoint. Twice: at once; the last epoch is lost.
    """

    def __init__(
        self,
        settings: StudySettings,
        folder: StudyFolder,
        jets: StudyJets,
        allocation: ResourcePlan,
        display: Display,
        status: Status,
    ) -> None:
        self.settings, self.folder, self.jets = settings, folder, jets
        self.allocation, self.display, self.standing = allocation, display, status
        self.metrics = StudyMetrics(settings.name)
        self.interrupted = False
        self.paused = False
        self.trouble: str | None = None
        self.pausing: list[Callable[[], None]] = []
        self.estimate: Estimate | None = None
        self.began = time.monotonic()
        self.submitted: dict[str, float] = {}
        self.ended: frozenset[str] = frozenset()
        self.kept_waiting = False
        self.worker_groups = start_workers(settings, jets, folder, allocation)
        self.watching = threading.Event()
        self.watcher = threading.Thread(target=self._watch, daemon=True, name="watch")

    def __enter__(self) -> Session:
        self._handlers = {number: signal.signal(number, self._interrupt) for number in (signal.SIGINT, signal.SIGTERM)}
        self.watcher.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self.watching.set()
        self.watcher.join(5)
        if kind is None:
            with suppress(Exception):
                self.worker_groups.close()
        else:
            self.worker_groups.abandon()
        for number, handler in self._handlers.items():
            signal.signal(number, handler)

    def calibrate(self) -> dict[str, float]:
        """Seconds of everything that a plan adds up; see `darkclr_ray.study.calibration.calibrate`."""
        outcome = self.worker_groups.run(CalibrationJob(self.settings), "measuring")
        if outcome.state != "finished":
            raise InfrastructureError(f"the first steps of a training failed: {outcome.reason}")
        return outcome.result

    def expect(self, estimate: Estimate) -> None:
        """What the jobs to come will take, for the time that is left."""
        self.estimate = estimate

    def begin(self) -> None:
        """The jobs begin now."""
        self.began = time.monotonic()

    def each(self, jobs: Mapping[str, Job]) -> Iterator[tuple[str, Outcome]]:
        """Do jobs, as many at a time as there are worker groups; how each ended, finished or failed, as they end.

        Stops early where the study was interrupted or its surroundings failed; `sound` tells.
        """
        queue = self.worker_groups.queue
        self.begin()
        for name, job in jobs.items():
            ray.get(queue.submit.remote(name, job))
        later = iter(jobs)
        pending: dict[Any, str] = {}
        while True:
            # jobs end about in their order: the queue is asked about a few of them at a time
            for name in islice(later, 2 * self.allocation.worker_groups + 2 - len(pending)):
                pending[queue.next.remote(name, 10**9)] = name
            if not pending:
                return
            ready, _ = ray.wait(list(pending), timeout=1.0)
            for reference in ready:
                outcome: Outcome = ray.get(reference)
                name = pending.pop(reference)
                if outcome.state in ("finished", "failed"):
                    yield name, outcome
            self.worker_groups.check()

    def sound(self) -> bool:
        """Whether the study can go on; False where it was interrupted. Raises Broken where its surroundings failed."""
        self.worker_groups.check()
        if self.trouble is None:
            self.trouble = ray.get(self.worker_groups.queue.broken.remote())
        if self.trouble is not None:
            raise InfrastructureError(self.trouble)
        return not self.interrupted

    def count(self, states: Mapping[str, str]) -> None:
        """Which jobs have ended so far, and how."""
        self.ended = frozenset(states)
        self.standing.counts = dict(Counter(states.values()))

    def on_pause(self, action: Callable[[], None]) -> None:
        """Called, in another thread, when no new jobs shall begin; at once where that is so already."""
        self.pausing.append(action)
        if self.interrupted or self.paused:
            action()

    def _watch(self) -> None:
        """Keep the display and the gauges up to date; end what stalls; pause where the surroundings fail."""
        while not self.watching.wait(TICK):
            try:
                queue = self.worker_groups.queue
                jobs: dict[str, dict[str, Any]] = ray.get(queue.snapshot.remote(), timeout=30)
                for name in jobs:
                    self.submitted.setdefault(name, time.monotonic() - jobs[name]["seconds"])
                broken = ray.get(queue.broken.remote(), timeout=30)
                self.trouble = self.trouble or broken or self.worker_groups.trouble
                if (self.interrupted or self.trouble) and not self.paused:
                    self._pause()
                    if self.interrupted:
                        self.standing.note = "stopping after the epoch at work; Ctrl-C once more stops at once"
                        self.display.say(self.standing.note)
                waiting = ray.get(queue.unattended.remote(), timeout=30) > WAITING_SECONDS
                if waiting and not self.kept_waiting:
                    self.display.say("waiting    for resources that others hold, or for nodes that are still to come")
                self.kept_waiting = waiting
                ray.get(queue.stalled.remote(self.settings.compute.stall_limit), timeout=30)
                self.standing.left = self._left(jobs)
                self.metrics.jobs(jobs)
                expected = self.estimate.jobs if self.estimate is not None else {}
                self.metrics.standing(self.standing.counts, sum(name in expected for name in jobs))
                self.display.update(jobs, self.standing)
            except Exception:
                if self.watching.is_set():
                    return
                logger.exception("watching the study")

    def _left(self, jobs: Mapping[str, Mapping[str, Any]]) -> float | None:
        """Seconds left: the estimate's for what is to come, scaled by how it fared so far."""
        if self.estimate is None:
            return None
        done = self.estimate.done(self.ended, jobs)
        elapsed = time.monotonic() - self.began
        speed = done / elapsed if done > 0.1 * self.estimate.seconds else 1.0
        return max(0.0, self.estimate.seconds - done) / max(speed, 1e-3)

    def _interrupt(self, number: int, frame: FrameType | None) -> None:
        if self.interrupted:
            os.write(2, b"\nstopping at once\n")
            raise KeyboardInterrupt
        self.interrupted = True  # the watcher does the rest: a handler must not call into Ray

    def _pause(self) -> None:
        """No new jobs; those at work end after their epoch."""
        self.paused = True
        for action in self.pausing:
            action()
        self.worker_groups.queue.stop.remote()
