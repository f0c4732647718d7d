"""Context that all jobs of a study share: references to its jets, and folders of its stages and logs."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol

from darkclr_ray.integrity import announcements
from darkclr_ray.jets.packed import TrainingSample
from darkclr_ray.runtime.worker_loop import WorkerContext
from darkclr_ray.streams import JetSource
from darkclr_ray.training.loop import StopTraining


@dataclass(frozen=True)
class DatasetRefs:
    """References to all jets of a study, small enough to be sent to workers.

    Attributes:
        source: background jets for training.
        evaluation: jets for validation and test, by split and sample.
        background: name of the background sample.
        labelled: training jets of signals.
        variants: samples of background from other simulations; they are scored, and are no signals.
    """

    source: JetSource
    evaluation: Mapping[str, Mapping[str, JetSource]]
    background: str
    labelled: Mapping[str, JetSource] = field(default_factory=dict)
    variants: tuple[str, ...] = ()

    def sample(self) -> TrainingSample:
        """Return the background jets on which detectors are fitted."""
        return TrainingSample(self.source.load())


class Job(Protocol):
    """A job that a worker group can run."""

    def run(self, context: JobContext, worker: WorkerContext) -> dict[str, Any]:
        """Run the job on every rank and return its result."""


@dataclass(frozen=True)
class JobContext:
    """A `darkclr_ray.runtime.worker_loop.Work` for one study.

    Attributes:
        store: folder of the stages.
        jets: references to the jets.
        log: folder for the workers' logs.
        data_cpus: CPUs of the data workers of one training worker.
    """

    store: Path
    jets: DatasetRefs
    log: Path
    data_cpus: float

    def __call__(self, job: Job, worker: WorkerContext) -> dict[str, Any]:
        with logging_to(self.log / f"{worker.job}.log", worker.rank), announcements() as recomputed:
            result = job.run(self, worker)
        return {**result, "recomputed": recomputed} if recomputed else result


class logging_to:
    """Context manager that logs to a file while a job runs; ranks other than 0 log warnings and errors only."""

    def __init__(self, path: Path, rank: int) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self.handler = logging.FileHandler(path, encoding="utf-8")
        self.handler.setFormatter(logging.Formatter(f"%(asctime)s [{rank}] %(levelname)s %(name)s: %(message)s"))
        self.handler.setLevel(logging.INFO if rank == 0 else logging.WARNING)

    def __enter__(self) -> None:
        logger = logging.getLogger("darkclr_ray")
        logger.setLevel(logging.INFO)
        logger.addHandler(self.handler)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if isinstance(error, StopTraining):  # pruned or interrupted
            logging.getLogger("darkclr_ray").info("stopped before its end: %s", error)
        elif error is not None:
            logging.getLogger("darkclr_ray").error("ended by %s", kind, exc_info=error)
        logging.getLogger("darkclr_ray").removeHandler(self.handler)
        self.handler.close()
