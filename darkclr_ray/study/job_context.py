"""What all jobs of a study have in common: where its jets, its stages and its logs are."""

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


@dataclass(frozen=True)
class DatasetRefs:
    """Where all jets of a study are, small enough to be sent to workers.

    Attributes:
        source: the background jets to train on.
        evaluation: jets for validation and test, by split and sample.
        background: name of the background sample.
        labelled: training jets of signals.
        variants: samples of background as another simulation has it: scored, and judged as no signal.
    """

    source: JetSource
    evaluation: Mapping[str, Mapping[str, JetSource]]
    background: str
    labelled: Mapping[str, JetSource] = field(default_factory=dict)
    variants: tuple[str, ...] = ()

    def sample(self) -> TrainingSample:
        """The background jets, as a detector is fitted on them."""
        return TrainingSample(self.source.load())


class Job(Protocol):
    """A job that a worker group can run."""

    def run(self, work: JobContext, place: WorkerContext) -> dict[str, Any]:
        """Run it on every rank; return its result."""


@dataclass(frozen=True)
class JobContext:
    """A `darkclr_ray.runtime.worker_loop.Work` for one study.

    Attributes:
        store: folder of the stages.
        jets: where the jets are.
        log: folder for the workers' logs.
        data_cpus: for the data workers of one training worker.
    """

    store: Path
    jets: DatasetRefs
    log: Path
    data_cpus: float

    def __call__(self, job: Job, place: WorkerContext) -> dict[str, Any]:
        with logging_to(self.log / f"{place.job}.log", place.rank), announcements() as recomputed:
            result = job.run(self, place)
        return {**result, "recomputed": recomputed} if recomputed else result


class logging_to:
    """Log to a file while a job lasts; ranks beyond the first only tell of trouble."""

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
        if error is not None:
            logging.getLogger("darkclr_ray").error("ended by %s", kind, exc_info=error)
        logging.getLogger("darkclr_ray").removeHandler(self.handler)
        self.handler.close()
