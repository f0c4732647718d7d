"""The training loop that all trainings share: epochs, steps, records and checkpoints."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from darkclr_ray.training.base import Training
from darkclr_ray.training.checkpoint import resume, save_checkpoint
from darkclr_ray.training.cuda_graphs import Steps, steps_of
from darkclr_ray.training.parallel import agreed

HEARTBEAT = 1.0
"""Minimum time in seconds between two reports within an epoch."""


@dataclass(frozen=True)
class Progress:
    """Progress of a training, after a finished epoch or within one.

    Attributes:
        kind: what is trained (`Training.kind`).
        epoch, epochs: the current epoch, counted from 0, and their number.
        step, steps: finished steps of this epoch, and their number.
        record: the record of a finished epoch, otherwise the loss and jets per second so far in this epoch.
    """

    kind: str
    epoch: int
    epochs: int
    step: int
    steps: int
    record: Mapping[str, Any]

    @property
    def finished(self) -> bool:
        """Return whether the epoch is finished and its checkpoint written."""
        return self.step == self.steps


Report = Callable[[Progress], None]
"""Callback that is called on every rank after every epoch, and about once a second within one.

It may raise `StopTraining`.
"""


class StopTraining(Exception):
    """Raised by a report to end a training early; the last checkpoint is kept and a later run resumes from it.

    With several workers it must be raised on all of them, since otherwise the others would wait forever.
    """


def run_training(
    training: Training,
    *,
    folder: Path | None = None,
    rank: int = 0,
    world_size: int = 1,
    report: Report | None = None,
) -> Training:
    """Train to the end, starting from the last checkpoint in ``folder`` if there is one.

    Every rank of a data-parallel training calls this function with the same training and sees the same metrics; only
    rank 0 writes. A run that was killed and is called again ends with the same weights (bit for bit on one CPU worker).

    Args:
        training: training on its device; see `Training.to`. It ends with the weights of its best epoch.
        folder: folder for ``checkpoint.pt`` and ``history.jsonl``, written after every epoch, and for the artifacts'
            ``<name>.safetensors``, written at the end. None keeps everything in memory.
        rank, world_size: rank of this process and number of workers; with several, torch.distributed is initialised.
        report: see `Report`.

    Raises:
        TrainingDiverged: the loss is not finite; weights and checkpoint are those from before that step. Or an
            encoder collapsed in the last epoch; the checkpoint holds that epoch, so that a further call raises the
            same error at once.
        StopTraining: whatever ``report`` raised.
        ValueError: the folder belongs to another training, or is not the same folder on all ranks.
    """
    if folder is not None and rank == 0:
        folder.mkdir(parents=True, exist_ok=True)  # once: a disk lost later must not restart the training
    if folder is not None:
        resume(folder, training, writes=rank == 0)
        training.check_history()
    first_epoch = len(training.history)
    if world_size > 1 and not agreed(first_epoch, training.device):
        raise ValueError(
            f"workers found different checkpoints in {folder}; this folder has to be one that all of them share"
        )
    if first_epoch < training.epochs:
        batches, steps = training.stream(first_epoch, rank, world_size), steps_of(training)
        for epoch in range(first_epoch, training.epochs):
            training.begin_epoch(epoch)
            training.history.append(run_epoch(training, batches, steps, report))
            if folder is not None and rank == 0:
                save_checkpoint(folder, training)
            training.check_history()
            if report is not None:
                report(progress(training, training.steps_per_epoch, training.history[-1]))
    training.finish()
    if folder is not None and rank == 0:
        training.save_artifacts(folder)
    return training


def run_epoch(training: Training, batches: Iterator[Any], steps: Steps, report: Report | None) -> dict[str, Any]:
    """Run one epoch's steps on the next batches and return its record."""
    started = heartbeat = time.monotonic()
    steps.begin()
    for step in range(1, training.steps_per_epoch + 1):
        steps.take(next(batches))
        now = time.monotonic()
        if report is not None and now - heartbeat > HEARTBEAT and step < training.steps_per_epoch:
            heartbeat = now
            so_far = {"loss": steps.means()["loss"], "jets_per_second": step * training.batch_size / (now - started)}
            report(progress(training, step, so_far))
    record = training.end_epoch(steps.means())
    seconds = time.monotonic() - started
    speed = training.steps_per_epoch * training.batch_size / seconds
    return {**record, "jets_per_second": round(speed, 1), "seconds": round(seconds, 3)}


def progress(training: Training, step: int, record: Mapping[str, Any]) -> Progress:
    """Return the progress of ``training`` after ``step`` steps of its current epoch."""
    return Progress(training.kind, training.epoch, training.epochs, step, training.steps_per_epoch, record)
