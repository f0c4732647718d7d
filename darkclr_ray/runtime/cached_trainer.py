"""Trainer of a training worker: it takes finished stages from the store, and batches from Ray Data."""

from __future__ import annotations

import errno
import math
import platform
import time
from collections import deque
from collections.abc import Callable, Collection, Iterator
from functools import partial
from itertools import chain
from pathlib import Path
from typing import IO, Any

import numpy as np
import torch
from numpy.typing import NDArray

from darkclr_ray.augmentations.views import ViewSource, need_trees
from darkclr_ray.integrity import Damaged, announce, check_sealed, write_sealed
from darkclr_ray.jets.packed import Jets, TrainingSample
from darkclr_ray.kernels.registry import Kernels, implementations_of
from darkclr_ray.networks.precision import Precision
from darkclr_ray.runtime.worker_loop import WorkerContext
from darkclr_ray.settings import InputSettings, ViewSettings
from darkclr_ray.store.files import read_json, write_json
from darkclr_ray.store.fingerprints import code_fingerprint
from darkclr_ray.store.stages import POLL_SECONDS, Stage, Store
from darkclr_ray.streams import JetSource, RayViews, store
from darkclr_ray.training.base import Training
from darkclr_ray.training.checkpoint import CHECKPOINT, read_history, resume
from darkclr_ray.training.inference import JetEncoder, Layer
from darkclr_ray.training.loop import Progress, run_training
from darkclr_ray.training.trainer import AnyTraining, Trainer

RUNGS = "rungs.json"
"""File with the intermediate results of an encoder in training, beside its checkpoint."""
BLOCK = 1 << 16
"""Number of jets whose representations are computed, and written, at a time."""


class CachedTrainer(Trainer):
    """Runs a detector's trainings on all ranks of a worker group; a stage that the store has is not computed again.

    Args:
        store: store of the study.
        worker: context of this worker.
        source: training jets of the study for Ray Data; None for a detector with another sample.
        sample: the same jets.
        precision, kernels: see `Trainer`.
        data_cpus: CPUs of the data workers of this worker.
        rungs: epochs of an encoder's training after which ``proxy_objective`` is reported.
        proxy_objective: returns the intermediate objective of an encoder in training.
        validation: see `Trainer`.
    """

    def __init__(
        self,
        store: Store,
        worker: WorkerContext,
        *,
        source: JetSource | None,
        sample: TrainingSample,
        precision: Precision,
        kernels: Kernels = "auto",
        data_cpus: float,
        rungs: Collection[int] = (),
        proxy_objective: Callable[[JetEncoder], float] | None = None,
        validation: TrainingSample | None = None,
    ) -> None:
        super().__init__(
            device=worker.device,
            precision=precision,
            kernels=kernels,
            rank=worker.rank,
            world_size=worker.world_size,
            validation=validation,
        )
        self.store, self.worker, self.source, self.sample = store, worker, source, sample
        self.data_cpus, self.rungs, self.proxy_objective = data_cpus, rungs, proxy_objective
        self.stages: dict[str, str] = {}
        """Hashes of the stages that were used, by kind; a study empties it before each detector."""
        self.kernels_used: dict[str, str] = {}
        """Implementation of each kind of network in them, wherever they were trained."""
        self.seconds: dict[str, float] = {}
        """Seconds spent on the stages."""

    def views(
        self, sample: TrainingSample, views: ViewSettings, inputs: InputSettings, batch_size: int, seed: int
    ) -> ViewSource:
        """Return batches that Ray Data augments."""
        if self.source is not None and sample is self.sample:
            source = self.source
        else:
            source = store(sample.jets, trees=need_trees(views, inputs))
        return RayViews(source, views, inputs, batch_size, seed, cpus=self.data_cpus)

    def train(self, training: AnyTraining) -> AnyTraining:
        finished = super().train(training)
        stage = self.stage(finished)
        self.stages[training.kind] = stage.hash
        self.kernels_used |= stage.notes()["kernels"]
        return finished

    def run(self, training: Training) -> None:
        stage = self.stage(training)
        self.worker.report({"stage": training.kind, "hash": stage.hash})
        started = time.monotonic()
        waited = 0.0
        with stage.lock:
            while not self.worker.broadcast(self.rank == 0 and (stage.usable() or stage.lock.acquire())):
                self.worker.check_stop(
                    {"stage": training.kind, "waits": f"for {stage.lock.holder()} to finish the same stage"}
                )
                time.sleep(POLL_SECONDS)
                waited = time.monotonic() - started
            self.report_again(training, stage)
            if self.worker.broadcast(stage.finished):
                training.load_artifacts(stage.folder)
                training.history = read_history(stage.folder)
                training.finish()
            else:
                self.worker.report({"stage": training.kind, "waits": None})
                report = partial(self.on_progress, training)
                run_training(training, folder=stage.partial, rank=self.rank, world_size=self.world_size, report=report)
                if self.rank == 0:
                    seconds = round(time.monotonic() - started - waited, 3)
                    stage.commit({"seconds": seconds, **environment(self, training)}, but={CHECKPOINT})
                self.worker.broadcast(True)  # no rank reads the stage before it is complete
        self.seconds[training.kind] = self.seconds.get(training.kind, 0.0) + time.monotonic() - started - waited

    def stage(self, training: Training) -> Stage:
        """Return the stage of a training."""
        modules = (type(training).__module__, *training.plugin_modules())
        code = code_fingerprint(*modules, "darkclr_ray.training.loop")
        description = {"key": training.key(), "code": code, "precision": self.precision}
        return self.store.stage(training.kind, description, owner=self.worker.job)

    def identity(self, encoder: JetEncoder) -> Any:
        """Return the hash of an encoder's stage, which depends on the code of its training, too."""
        return self.stage(encoder).hash if isinstance(encoder, Training) else super().identity(encoder)

    def on_progress(self, training: Training, progress: Progress) -> None:
        """Report progress; between epochs, check whether to stop."""
        record = progress.record
        values = {name: record[name] for name in ("loss", "jets_per_second", "energy_difference") if name in record}
        values |= {"stage": progress.kind, "epoch": progress.epoch, "epochs": progress.epochs, "waits": None}
        values |= {"part": progress.step / progress.steps}
        if not progress.finished:
            self.worker.report(values)
            return
        epoch = progress.epoch + 1
        if epoch in self.rungs:
            self.judge_rung(training, self.stage(training).partial)
        self.worker.check_stop(values)

    def judge_rung(self, training: Training, folder: Path) -> None:
        """Report the intermediate result of an encoder after the last epoch of its history, and keep it in a file."""
        if self.proxy_objective is None or training.kind != "representation" or self.rank > 0:
            return
        assert hasattr(training, "encoder")
        epoch, value = len(training.history), self.proxy_objective(training)  # type: ignore[arg-type]
        known = read_rungs(folder, self.worker.job)
        write_json(folder / RUNGS, {"job": self.worker.job, "values": {**known, str(epoch): number(value)}})
        self.worker.report_metric({"epoch": epoch, "objective": value})

    def report_again(self, training: Training, stage: Stage) -> None:
        """Report again the intermediate results of an encoder that this job reported before it was interrupted.

        The process that received them may have been killed, and whether a trial is pruned must not depend on that. An
        epoch whose checkpoint was written just before the interruption is evaluated now.
        """
        if not self.rungs or self.proxy_objective is None or training.kind != "representation" or self.rank > 0:
            return
        folder = stage.folder if stage.finished else stage.partial
        known = read_rungs(folder, self.worker.job)
        for epoch, value in known.items():
            self.worker.report_metric({"epoch": int(epoch), "objective": math.nan if value is None else value})
        if not stage.finished and (folder / CHECKPOINT).exists():
            resume(folder, training, writes=False)
            if len(training.history) in self.rungs and str(len(training.history)) not in known:
                self.judge_rung(training, folder)

    def represent(self, encoder: JetEncoder, jets: Jets, layer: Layer = "head") -> NDArray[np.float32]:
        """Return representations of jets, which are cached beside the encoder's weights."""
        if not isinstance(encoder, Training):
            return super().represent(encoder, jets, layer)
        path = self.stage(encoder).folder / f"{layer}-{jets.fingerprint}.npy"
        kept = read_array(path) if self.rank == 0 else None
        if self.worker.broadcast(kept is not None):
            return kept if kept is not None else awaited_array(path)
        if self.rank == 0 and path.exists():
            announce(f"{path}: this representation is damaged; it is computed again")
        rows = range(0, max(len(jets), 1), BLOCK)
        blocks = (super(CachedTrainer, self).represent(encoder, jets.take(slice(at, at + BLOCK)), layer) for at in rows)
        if self.worker.broadcast(self.rank == 0 and not path.parent.is_dir()):
            return np.concatenate(list(blocks))
        if self.rank == 0:
            # other processes may write the same file
            write_sealed(path, lambda file: write_rows(file, len(jets), blocks), owner=self.worker.job)
        else:
            deque(blocks, maxlen=0)
        self.worker.broadcast(True)
        return awaited_array(path)


def write_rows(file: IO[bytes], total: int, blocks: Iterator[NDArray[np.float32]]) -> None:
    """Write ``total`` rows as one array in numpy's format, block by block."""
    first = next(blocks)
    shape = (total, *first.shape[1:])
    header = {"descr": np.lib.format.dtype_to_descr(first.dtype), "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(file, header)
    for block in chain([first], blocks):
        file.write(np.ascontiguousarray(block).data)


def read_rungs(folder: Path, job: str) -> dict[str, float | None]:
    """Return the intermediate results that a job has reported of an encoder, by epoch; None stands for NaN."""
    try:
        content = read_json(folder / RUNGS)
    except (FileNotFoundError, Damaged):
        return {}
    return dict(content["values"]) if content.get("job") == job else {}


def number(value: float) -> float | None:
    """Return a value as JSON can represent it."""
    return value if math.isfinite(value) else None


def read_array(path: Path) -> NDArray[np.float32] | None:
    """Return a memory-mapped array from a file; None if it is missing or damaged."""
    try:
        check_sealed(path)
        array: NDArray[np.float32] = np.load(path, mmap_mode="r")
    except (FileNotFoundError, Damaged):
        return None
    return array


def awaited_array(path: Path, limit: float = 60.0) -> NDArray[np.float32]:
    """Return an array that rank 0 has found; wait up to ``limit`` seconds, since other nodes may see it later.

    Raises FileNotFoundError after that.
    """
    for _ in range(math.ceil(limit / POLL_SECONDS)):
        array = read_array(path)
        if array is not None:
            return array
        time.sleep(POLL_SECONDS)
    raise FileNotFoundError(errno.ENOENT, "this node cannot access a file of another node", str(path))


def environment(runner: Trainer, training: Training) -> dict[str, Any]:
    """Return device, kernels and versions for the metadata of a stage."""
    device = torch.cuda.get_device_name(runner.device) if runner.device.type == "cuda" else platform.machine()
    return {
        "device": f"{runner.device.type}, {device}",
        "workers": runner.world_size,
        "threads": torch.get_num_threads(),
        "kernels": implementations_of(torch.nn.ModuleDict(training.modules)),
        "versions": {"torch": torch.__version__, "numpy": np.__version__, "python": platform.python_version()},
    }
