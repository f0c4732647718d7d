"""A runner inside a training worker: stages come from the store, batches from Ray Data, reports go to the mailbox."""

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
from darkclr_ray.networks.kernels.in_use import kernels_in_use
from darkclr_ray.networks.precision import Precision
from darkclr_ray.runtime.worker_loop import WorkerContext
from darkclr_ray.settings import InputSettings, ViewSettings
from darkclr_ray.store.fingerprints import code_fingerprint
from darkclr_ray.store.stages import POLL_SECONDS, Stage, Store
from darkclr_ray.streams import JetSource, RayViews, store
from darkclr_ray.training.base import Training
from darkclr_ray.training.checkpoint import CHECKPOINT, read_history
from darkclr_ray.training.inference import JetEncoder, Layer
from darkclr_ray.training.loop import Progress, run_training
from darkclr_ray.training.trainer import AnyTraining, Trainer

BLOCK = 1 << 16
"""Number of jets whose representations are computed, and written, at a time."""


class CachedTrainer(Trainer):
    """Runs a detector's trainings on all ranks of a worker group; a stage that the store has is not computed again.

    Args:
        store: of the study.
        place: of this worker.
        source: the study's training jets, as Ray Data gets at them; None for a sample of the detector's own.
        sample: the same jets.
        precision: see `Trainer`.
        data_cpus: for the data workers that feed this worker.
        rungs: epochs of an encoder's training after which ``judge`` is asked.
        judge: intermediate result of an encoder in training.
    """

    def __init__(
        self,
        store: Store,
        place: WorkerContext,
        *,
        source: JetSource | None,
        sample: TrainingSample,
        precision: Precision,
        data_cpus: float,
        rungs: Collection[int] = (),
        judge: Callable[[JetEncoder], float] | None = None,
    ) -> None:
        super().__init__(device=place.device, precision=precision, rank=place.rank, world_size=place.world_size)
        self.store, self.place, self.source, self.sample = store, place, source, sample
        self.data_cpus, self.rungs, self.judge = data_cpus, rungs, judge
        self.stages: dict[str, str] = {}
        """Hashes of the stages that were used, by kind, since somebody emptied it: one detector's, for a study."""
        self.seconds: dict[str, float] = {}
        """Time spent on them here."""

    def views(
        self, sample: TrainingSample, views: ViewSettings, inputs: InputSettings, batch_size: int, seed: int
    ) -> ViewSource:
        """Batches made by Ray Data."""
        if self.source is not None and sample is self.sample:
            source = self.source
        else:
            source = store(sample.jets, trees=need_trees(views, inputs))
        return RayViews(source, views, inputs, batch_size, seed, cpus=self.data_cpus)

    def train(self, training: AnyTraining) -> AnyTraining:
        finished = super().train(training)
        self.stages[training.kind] = self.stage(finished).hash
        return finished

    def run(self, training: Training) -> None:
        stage = self.stage(training)
        started = time.monotonic()
        waited = 0.0
        with stage.lock:
            while not self.place.broadcast(self.rank == 0 and (stage.usable() or stage.lock.acquire())):
                self.place.check_stop(
                    {"stage": training.kind, "waits": f"for {stage.lock.holder()} to finish the same stage"}
                )
                time.sleep(POLL_SECONDS)
                waited = time.monotonic() - started
            if self.place.broadcast(stage.finished):
                training.load_artifacts(stage.folder)
                training.history = read_history(stage.folder)
                training.finish()
            else:
                self.place.report({"stage": training.kind, "waits": None})
                report = partial(self.on_progress, training)
                run_training(training, folder=stage.partial, rank=self.rank, world_size=self.world_size, report=report)
                if self.rank == 0:
                    seconds = round(time.monotonic() - started - waited, 3)
                    stage.commit({"seconds": seconds, **environment(self)}, but={CHECKPOINT})
                self.place.broadcast(True)  # nobody reads before it is there
        self.seconds[training.kind] = self.seconds.get(training.kind, 0.0) + time.monotonic() - started - waited

    def stage(self, training: Training) -> Stage:
        """Where a training's outcome is stored."""
        modules = (type(training).__module__, *training.plugin_modules())
        code = code_fingerprint(*modules, "darkclr_ray.training.loop")
        description = {"key": training.key(), "code": code, "precision": self.precision}
        return self.store.stage(training.kind, description, owner=self.place.job)

    def identity(self, encoder: JetEncoder) -> Any:
        """The hash of an encoder's stage, which holds the code that trained it, too."""
        return self.stage(encoder).hash if isinstance(encoder, Training) else super().identity(encoder)

    def on_progress(self, training: Training, progress: Progress) -> None:
        """Report progress; between epochs, check whether to stop."""
        record = progress.record
        told = {name: record[name] for name in ("loss", "jets_per_second", "energy_difference") if name in record}
        told |= {"stage": progress.kind, "epoch": progress.epoch, "epochs": progress.epochs, "waits": None}
        told |= {"part": progress.step / progress.steps}
        if not progress.finished:
            self.place.report(told)
            return
        epoch = progress.epoch + 1
        if self.judge is not None and training.kind == "representation" and epoch in self.rungs:
            assert hasattr(training, "encoder")
            if self.rank == 0:
                self.place.report_metric({"epoch": epoch, "objective": self.judge(training)})  # type: ignore[arg-type]
        self.place.check_stop(told)

    def represent(self, encoder: JetEncoder, jets: Jets, layer: Layer = "head") -> NDArray[np.float32]:
        """Representations of jets, kept beside the encoder's weights as long as the study keeps the trial."""
        if not isinstance(encoder, Training):
            return super().represent(encoder, jets, layer)
        path = self.stage(encoder).folder / f"{layer}-{jets.fingerprint}.npy"
        kept = read_array(path) if self.rank == 0 else None
        if self.place.broadcast(kept is not None):
            return kept if kept is not None else awaited_array(path)
        if self.rank == 0 and path.exists():
            announce(f"{path}: this representation is damaged; it is computed again")
        rows = range(0, len(jets), BLOCK)
        blocks = (super(CachedTrainer, self).represent(encoder, jets.take(slice(at, at + BLOCK)), layer) for at in rows)
        if self.place.broadcast(self.rank == 0 and not path.parent.is_dir()):
            return np.concatenate(list(blocks))
        if self.rank == 0:
            # others may be at it, too
            write_sealed(path, lambda file: write_rows(file, len(jets), blocks), owner=self.place.job)
        else:
            deque(blocks, maxlen=0)
        self.place.broadcast(True)
        return awaited_array(path)


def write_rows(file: IO[bytes], total: int, blocks: Iterator[NDArray[np.float32]]) -> None:
    """Write ``total`` rows as one array in numpy's format, block by block."""
    first = next(blocks)
    shape = (total, *first.shape[1:])
    header = {"descr": np.lib.format.dtype_to_descr(first.dtype), "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(file, header)
    for block in chain([first], blocks):
        file.write(np.ascontiguousarray(block).data)


def read_array(path: Path) -> NDArray[np.float32] | None:
    """An array that somebody left, as it lies on the disk; None where there is none, or a damaged one."""
    try:
        check_sealed(path)
        array: NDArray[np.float32] = np.load(path, mmap_mode="r")
    except (FileNotFoundError, Damaged):
        return None
    return array


def awaited_array(path: Path, limit: float = 60.0) -> NDArray[np.float32]:
    """An array that the first rank has found: other nodes may see it later. Raises FileNotFoundError after a while."""
    for _ in range(math.ceil(limit / POLL_SECONDS)):
        array = read_array(path)
        if array is not None:
            return array
        time.sleep(POLL_SECONDS)
    raise FileNotFoundError(errno.ENOENT, "this node does not see what another has found", str(path))


def environment(runner: Trainer) -> dict[str, Any]:
    """Where and with what a stage was computed; noted beside it."""
    device = torch.cuda.get_device_name(runner.device) if runner.device.type == "cuda" else platform.machine()
    return {
        "device": f"{runner.device.type}, {device}",
        "workers": runner.world_size,
        "threads": torch.get_num_threads(),
        "kernels": kernels_in_use(runner.device.type, getattr(torch, runner.precision)),
        "versions": {"torch": torch.__version__, "numpy": np.__version__, "python": platform.python_version()},
    }
