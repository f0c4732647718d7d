"""Run the jobs of a study with Ray Tune, show their progress, and stop them on Ctrl-C."""

from __future__ import annotations

import math
import os
import signal
import time
from collections import Counter
from collections.abc import Mapping
from datetime import UTC, datetime
from types import FrameType
from typing import TYPE_CHECKING, Any

from ray import tune
from ray.exceptions import RayError
from ray.tune import TuneError

from darkclr_ray.augmentations.views import need_trees
from darkclr_ray.exit_status import INTERRUPTED
from darkclr_ray.jets.packed import Jets
from darkclr_ray.jets.unpacked import is_mapped
from darkclr_ray.runtime.lost import why_lost
from darkclr_ray.runtime.nodes import failing_nodes
from darkclr_ray.runtime.outcome import InfrastructureError
from darkclr_ray.runtime.resources import ResourcePlan
from darkclr_ray.runtime.signals import stopping_signals
from darkclr_ray.runtime.trials import InOrder, JobList, PauseWithoutWorkers, Program, ProgramSearcher, cancel, tuner
from darkclr_ray.runtime.worker_group import GroupPlan
from darkclr_ray.settings import StudySettings
from darkclr_ray.streams import JetSource, ShardJets, materialise, store
from darkclr_ray.study.folder import StudyFolder
from darkclr_ray.study.jets import StudyJets
from darkclr_ray.study.job_context import DatasetRefs, JobContext
from darkclr_ray.study.jobs import CalibrationJob
from darkclr_ray.study.metrics import StudyMetrics
from darkclr_ray.study.plan import Estimate
from darkclr_ray.study.progress import Display, Status
from darkclr_ray.study.records import Execution

if TYPE_CHECKING:
    from collections.abc import Generator

    from darkclr_ray.runtime.outcome import Outcome

WAITING_SECONDS = 45.0
"""Seconds without a living worker after which a study says what it waits for; workers usually start within ten."""

STARTING_SECONDS = 600.0
"""Seconds in which training workers start on a machine that is very busy."""

TICK = 0.5
"""Seconds between two updates of the display."""


def group_plan(
    settings: StudySettings, jets: StudyJets, folder: StudyFolder, allocation: ResourcePlan, own_ray: bool = False
) -> GroupPlan:
    """Put a study's jets into the object store and return the plan of its worker groups.

    Where Ray runs for this study alone, no other program holds its resources, so that workers which do not start within
    the stall limit will not start at all.

    Raises ValueError if a node cannot access shards that are to be streamed.
    """
    limit, trees = settings.compute.materialise_limit, need_trees(settings.views, settings.inputs)
    source = materialise(jets.folder, "train", settings.background, limit=limit, trees=trees)
    if isinstance(source, ShardJets):
        for node in failing_nodes(ShardJets.intact, source):
            raise ValueError(
                f"{jets.folder.path}: node {node} cannot access these jets; point --jets at storage that all nodes "
                f"share, or raise compute.materialise_limit so that they are held in memory"
            )
    places = DatasetRefs(
        source=source,
        evaluation={
            split: {name: shared(jets, split, name, some) for name, some in samples.items()}
            for split, samples in jets.evaluation.items()
        },
        background=settings.background,
        labelled={name: shared(jets, "train", name, signal) for name, signal in jets.labelled.items()},
        variants=jets.variants,
    )
    work = JobContext(folder.store.folder.resolve(), places, folder.logs.resolve(), allocation.data_cpus)
    compute = settings.compute
    place_limit = max(compute.stall_limit, STARTING_SECONDS) if own_ray else math.inf
    limits = (compute.worker_failures, compute.stall_limit, place_limit)
    return GroupPlan(allocation, work, (folder.logs / "train").resolve(), *limits)


def shared(jets: StudyJets, split: str, name: str, sample: Jets) -> JetSource:
    """Return the source of a sample for workers: the object store if it is held in memory, otherwise the disk."""
    return materialise(jets.home(split, name), split, name, limit=0.0) if is_mapped(sample) else store(sample)


class Session:
    """One run of a study's program.

    After one Ctrl-C, SIGTERM or SIGHUP, trainings end after their epoch, with a checkpoint. After a second one they end
    at once, and the last epoch is lost.
    """

    def __init__(
        self,
        settings: StudySettings,
        folder: StudyFolder,
        jets: StudyJets,
        allocation: ResourcePlan,
        display: Display,
        status: Status,
        own_ray: bool = False,
    ) -> None:
        self.settings, self.folder, self.jets, self.own_ray = settings, folder, jets, own_ray
        self.allocation, self.display, self.status = allocation, display, status
        self.metrics = StudyMetrics(settings.name)
        self.interrupted = False
        self.estimate: Estimate | None = None
        self.began = time.monotonic()
        self.ended: frozenset[str] = frozenset()
        self.jobs: dict[str, dict[str, Any]] = {}
        """Progress of the jobs at work, see `darkclr_ray.runtime.mailbox.News`."""
        self.started: dict[str, datetime] = {}
        """When each job started in this process."""
        self.groups: dict[str, str] = {}
        """Name of the mailbox of the worker group of each job."""

    def __enter__(self) -> Session:
        self._handlers = {number: signal.signal(number, self._interrupt) for number in stopping_signals()}
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._handlers.items():
            signal.signal(number, handler)

    def _interrupt(self, number: int, frame: FrameType | None) -> None:
        if self.interrupted:
            os.write(2, b"\nstopping at once\n")
            raise KeyboardInterrupt
        self.interrupted = True  # `Progress` does the rest: a handler must not call Ray

    def run(self, program: Program, scheduler: PauseWithoutWorkers | None = None) -> int:
        """Run a program; return its exit status, or INTERRUPTED where something is left to do.

        Raises InfrastructureError if the study cannot go on, and what the program raises.
        """
        plan = group_plan(self.settings, self.jets, self.folder, self.allocation, self.own_ray)
        searcher = ProgramSearcher(program, lambda: self.interrupted)
        progress = Progress(self, searcher)
        try:
            tuner(plan, searcher, scheduler or InOrder(), progress, str(self.folder.logs.resolve())).fit()
        except TuneError as error:
            raise InfrastructureError(f"Ray Tune stopped: {why_lost(error)}") from error
        except RuntimeError as error:  # in Tune's words, "unexpected": an actor that Ray killed since memory ran out
            if not isinstance(error.__cause__, RayError):
                raise
            raise InfrastructureError(why_lost(error.__cause__)) from error
        if searcher.error is not None:
            raise searcher.error
        if searcher.broken is not None:
            raise InfrastructureError(progress.lost or searcher.broken)
        return INTERRUPTED if searcher.status is None else searcher.status

    def calibrate(self) -> Generator[JobList, dict[str, Outcome], dict[str, float]]:
        """Part of a program: measure the times for estimates; see `darkclr_ray.study.calibration.calibrate`."""
        outcomes = yield JobList({"measuring": CalibrationJob(self.settings)})
        outcome = outcomes["measuring"]
        if outcome.state != "finished":
            raise InfrastructureError(f"the first steps of a training failed: {outcome.reason}")
        return outcome.result

    def set_estimate(self, estimate: Estimate) -> None:
        """Set the estimate of the time of all remaining jobs, which starts now."""
        self.estimate, self.began = estimate, time.monotonic()

    def count(self, states: Mapping[str, str]) -> None:
        """Set the final states of the jobs that have ended."""
        self.ended |= frozenset(states)
        self.status.counts = dict(Counter(states.values()))

    def execution(self, name: str) -> Execution | None:
        """Return when and where a job ran that ends now; None if this process has not run it."""
        if name not in self.started or name not in self.groups:
            return None
        numbers = list(dict.fromkeys(self.groups.values()))
        group = numbers.index(self.groups[name])
        return Execution(started=self.started[name], ended=datetime.now(UTC), worker_group=group)

    def left(self) -> float | None:
        """Return the seconds left: the estimate of what is to come, scaled by the speed so far."""
        if self.estimate is None:
            return None
        done = self.estimate.done(self.ended, self.jobs)
        elapsed = time.monotonic() - self.began
        speed = done / elapsed if done > 0.1 * self.estimate.seconds else 1.0
        return max(0.0, self.estimate.seconds - done) / max(speed, 1e-3)


class Progress(tune.Callback):
    """Shows where the jobs stand, and stops them where the study is interrupted or its infrastructure has failed."""

    def __init__(self, session: Session, searcher: ProgramSearcher) -> None:
        self.session, self.searcher = session, searcher
        self.waiting: dict[str, float] = {}
        self.shown = 0.0
        self.waits = False
        self.told: dict[str, str] = {}
        self.lost: str | None = None
        """Why Tune gave up a trial whose processes were lost."""

    def __getstate__(self) -> dict[str, Any]:
        return {}  # Tune writes a copy of its callbacks, which a study does not need

    def on_trial_start(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        self.session.jobs[str(trial)] = {}
        self.session.started.setdefault(str(trial), datetime.now(UTC))

    def on_trial_result(
        self, iteration: int, trials: list[Any], trial: Any, result: dict[str, Any], **info: Any
    ) -> None:
        name = str(trial)
        self.session.jobs[name], self.waiting[name] = result["progress"], result["waiting"]
        self.session.groups[name] = result["mailbox"]
        self._tell(name, result["progress"].get("lost"))
        if self.searcher.stopped():
            cancel(result)
        self._show()

    def on_trial_complete(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        self.session.jobs.pop(str(trial), None)
        self.waiting.pop(str(trial), None)
        self.session.ended |= {str(trial)}

    def on_trial_recover(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        error = trial.get_error()
        if error is not None:
            self._tell(str(trial), why_lost(error))

    def on_trial_error(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        error = trial.get_error()
        if error is not None:
            self.lost = f"{trial} was lost again and again: {why_lost(error)}"
        self.on_trial_complete(iteration, trials, trial)

    def _tell(self, name: str, lost: str | None) -> None:
        """Say once why processes of a trial were lost."""
        if lost is not None and self.told.get(name) != lost:
            self.told[name] = lost
            self.session.display.print_line(f"{name}: {lost}; it is started again")

    def on_step_end(self, iteration: int, trials: list[Any], **info: Any) -> None:
        self._show()

    def _show(self) -> None:
        session, status = self.session, self.session.status
        if time.monotonic() - self.shown < TICK:
            return
        self.shown = time.monotonic()
        if session.interrupted and status.note is None:
            status.note = "stopping after the epoch at work; Ctrl-C once more stops at once"
            session.display.print_line(status.note)
        waits = bool(self.waiting) and min(self.waiting.values()) > WAITING_SECONDS
        if waits and not self.waits:
            others = "resources in use, or for nodes that have not joined yet"
            awaited = "its training workers to start" if session.own_ray else others
            session.display.print_line(f"waiting    for {awaited}")
        self.waits = waits
        status.left = session.left()
        expected = session.estimate.jobs if session.estimate is not None else {}
        session.metrics.jobs(session.jobs)
        session.metrics.trial_counts(status.counts, sum(name in expected for name in session.jobs))
        session.display.update(session.jobs, status)
