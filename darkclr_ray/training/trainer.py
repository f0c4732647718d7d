"""The trainer through which detectors run and share their trainings and representations."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any, Literal, TypeVar
from weakref import WeakKeyDictionary

import numpy as np
import torch
from numpy.typing import NDArray

from darkclr_ray.augmentations.views import MemoryViews, ViewSource
from darkclr_ray.jets.batching import rank_slice
from darkclr_ray.jets.packed import Jets, TrainingSample
from darkclr_ray.kernels.registry import Kernels
from darkclr_ray.malloc import keep_freed_memory
from darkclr_ray.networks.precision import Precision, products_dtype
from darkclr_ray.settings import InputSettings, ViewSettings
from darkclr_ray.training.base import Training, TrainingDiverged
from darkclr_ray.training.checkpoint import canonical
from darkclr_ray.training.inference import JetEncoder, Layer, represent
from darkclr_ray.training.loop import Progress, Report, StopTraining, run_training
from darkclr_ray.training.parallel import gather_rows

__all__ = ["Progress", "Report", "StopTraining", "Trainer", "Training", "TrainingDiverged", "run_training"]

AnyTraining = TypeVar("AnyTraining", bound=Training)


class Trainer:
    """Run trainings in this process; trainings and representations with the same key are computed once.

    Inside a data-parallel worker every rank has a trainer with its own ``rank`` and calls the same methods in the same
    order. Subclasses override where stages are computed (`run`, `represent`) or how views are made (`views`).

    Args:
        device: "cuda" or "cpu"; None selects a GPU if there is one.
        precision: dtype of the networks' matrix products; "auto" selects bfloat16 where the hardware is fast at it.
        kernels: "auto" uses the kernels that support a network, "off" the networks as they are.
        threads: number of torch's CPU threads; None leaves it unchanged.
        folder: parent of a folder per training with its checkpoint, from which an interrupted training resumes; None
            keeps everything in memory.
        rank, world_size: rank of this process and number of workers; torch.distributed must be initialised for several.
        report: callback after every epoch; see `darkclr_ray.training.loop.Report`.
        validation: background jets that select the epochs of encoders; None: the first of the training jets do.

    Raises ValueError for another device.
    """

    precision: Literal["float32", "bfloat16"]

    def __init__(
        self,
        *,
        device: str | torch.device | None = None,
        precision: Precision = "float32",
        kernels: Kernels = "auto",
        threads: int | None = None,
        folder: Path | None = None,
        rank: int = 0,
        world_size: int = 1,
        report: Report | None = None,
        validation: TrainingSample | None = None,
    ) -> None:
        keep_freed_memory()
        if threads is not None:
            torch.set_num_threads(threads)
        self.device = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
        if self.device.type not in ("cuda", "cpu"):
            raise ValueError(f"device {self.device}: trainings run on cuda or cpu")
        self.precision = "bfloat16" if products_dtype(precision, self.device) == torch.bfloat16 else "float32"
        self.kernels: Kernels = kernels
        self.folder = folder
        self.rank, self.world_size = rank, world_size
        self.report = report
        self.validation = validation
        self._trainings: dict[str, Training] = {}
        self._representations: WeakKeyDictionary[Jets, dict[tuple[str, Layer], NDArray[np.float32]]] = (
            WeakKeyDictionary()
        )

    def train(self, training: AnyTraining) -> AnyTraining:
        """Return the finished training, or an earlier one with the same key that this trainer has finished.

        Raises TrainingDiverged and whatever the report raises.
        """
        key = canonical(training.key())
        if key not in self._trainings:
            training.to(self.device, self.precision, self.rank, self.world_size, self.kernels)
            self.run(training)
            self._trainings[key] = training
        finished = self._trainings[key]
        assert isinstance(finished, type(training))
        return finished

    def run(self, training: Training) -> None:
        """Run a training on its device to the end."""
        folder = None
        if self.folder is not None:
            name = hashlib.blake2b(canonical(training.key()).encode(), digest_size=8).hexdigest()
            folder = self.folder / f"{training.kind}-{name}"
        run_training(training, folder=folder, rank=self.rank, world_size=self.world_size, report=self.report)

    def views(
        self, sample: TrainingSample, views: ViewSettings, inputs: InputSettings, batch_size: int, seed: int
    ) -> ViewSource:
        """Return the source of a training's augmented batches, which are made in this process's memory."""
        return MemoryViews(sample, views, inputs, batch_size, seed)

    def identity(self, encoder: JetEncoder) -> Any:
        """Return JSON-serialisable values that determine an encoder's weights, for the keys of later stages."""
        return encoder.key()

    def represent(self, encoder: JetEncoder, jets: Jets, layer: Layer = "head") -> NDArray[np.float32]:
        """Return representations of jets, float32 (B, d_z), or (B, d_r) of the layer "pooled"; they are read-only.

        They are cached as long as ``jets`` exists. Ranks share the computation, and each returns all rows.
        """
        kept = self._representations.setdefault(jets, {})
        key = canonical(encoder.key()), layer
        if key not in kept:
            own = rank_slice(len(jets), self.rank, self.world_size)
            part = jets if self.world_size == 1 else jets.take(np.arange(len(jets))[own])
            z = represent(encoder.encoder, encoder.inputs, part, layer)
            if self.world_size > 1:
                z = gather_rows(torch.from_numpy(z).to(self.device), own.start, len(jets)).cpu().numpy()
            z.flags.writeable = False
            kept[key] = z
        return kept[key]
