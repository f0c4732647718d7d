"""The loop that every training goes through: epochs, steps, records, checkpoints."""

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
"""Seconds between two reports within an epoch, at least."""


@dataclass(frozen=True)
class Progress:
    """Where a training stands: after a finished epoch, or within one (a heartbeat).

    Attributes:
        kind: what is trained (`Training.kind`).
        epoch, epochs: the epoch at work, from 0, of how many.
        step, steps: steps done in this epoch, of how many.
        record: the epoch's record where it is finished, else the loss and jets per second so far in this epoch.
    """

    kind: str
    epoch: int
    epochs: int
    step: int
    steps: int
    record: Mapping[str, Any]

    @property
    def finished(self) -> bool:
        """Whether the epoch is over and its checkpoint written."""
        return self.step == self.steps


Report = Callable[[Progress], None]
"""Told of every finished epoch, and every second or so in between, on every rank. It may raise `StopTraining`."""


class StopTraining(Exception):
    """Raised by a report to end a training early: the last checkpoint stays, and a later run goes on from it.

    With several workers it must be raised on all of them, since the others would wait for the one that left.
    """


def run_training(
    training: Training,
    *,
    folder: Path | None = None,
    rank: int = 0,
    world_size: int = 1,
    report: Report | None = None,
) -> Training:
    """Train from the start, or from the last checkpoint in ``folder``, to the end.

    Every rank of a data-parallel training calls this with the same training and sees the same metrics; rank 0 writes.
    Killed at any moment and called again, it ends in the same weights (bit for bit on one CPU worker).

    Args:
        training: on its device; see `Training.to`. Comes back with the weights of its best epoch.
        folder: holds ``checkpoint.pt`` and ``history.jsonl`` after every epoch, and at the end the products' weights as
            ``<name>.safetensors``. None keeps everything in memory.
        rank, world_size: this process among the workers; torch.distributed is set up where there are several.
        report: see `Report`.

    Raises:
        TrainingDiverged: the loss is no longer a finite number; weights and checkpoint are those from before.
        StopTraining: whatever ``report`` raised.
        ValueError: the folder holds another training, or is not the same folder on all ranks.
    """
    if folder is not None and rank == 0:
        folder.mkdir(parents=True, exist_ok=True)  # once: a disk that goes while it trains is no new start
    if folder is not None:
        resume(folder, training, writes=rank == 0)
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
            if report is not None:
                report(progress(training, training.steps_per_epoch, training.history[-1]))
    training.finish()
    if folder is not None and rank == 0:
        training.save_artifacts(folder)
    return training


def run_epoch(training: Training, batches: Iterator[Any], steps: Steps, report: Report | None) -> dict[str, Any]:
    """One epoch's steps on the next batches; its record."""
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
    """Where ``training`` stands after ``step`` steps of its present epoch."""
    return Progress(training.kind, training.epoch, training.epochs, step, training.steps_per_epoch, record)
