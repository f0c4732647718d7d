"""Base class of detectors whose network takes one row of numbers per jet, such as an image or a list of observables."""

from __future__ import annotations

from abc import abstractmethod
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from darkclr_ray.detectors.base import AnomalyDetector
from darkclr_ray.detectors.darkclr import loaded
from darkclr_ray.detectors.saving import load_settings, save_settings
from darkclr_ray.jets.packed import Jets, TrainingSample
from darkclr_ray.settings import StudySettings
from darkclr_ray.training.base import save_weights, to_tensor
from darkclr_ray.training.tables import TableTraining, spread_rows
from darkclr_ray.training.trainer import Trainer

AT_ONCE = 4096
"""Number of jets whose rows are in memory at the same time when they are scored."""


class TableDetector(AnomalyDetector[TrainingSample]):
    """Base class of detectors with one training on a table of background jets; several may share it.

    Args:
        settings: settings of a study; those of ``group``, which say how many jets are used, and the seed are used.
    """

    group: ClassVar[str]
    """Name of the group of settings that determines the detector; its ``jets`` limits the number of training jets."""
    product: ClassVar[str]
    """Name of the trained network among the training's artifacts, and of its file."""

    def __init__(self, settings: StudySettings) -> None:
        self.settings = settings
        self.model: Any = None

    @classmethod
    def from_settings(cls, settings: StudySettings) -> Self:
        return cls(settings)

    @abstractmethod
    def table(self, jets: Jets) -> NDArray[np.float32]:
        """Return the network's inputs, float32 (B, D)."""

    @abstractmethod
    def training(self, table: NDArray[np.float32]) -> TableTraining:
        """Return the training on the inputs of background jets; `Trainer.train` runs it."""

    @abstractmethod
    def untrained(self) -> nn.Module:
        """Return a network of the configured size, into which `load` reads weights."""

    @abstractmethod
    def score_rows(self, model: Any, rows: Tensor) -> Tensor:
        """Return scores (B,) of the network's inputs (B, D)."""

    def fit(self, sample: TrainingSample, runner: Trainer) -> Self:
        rows = spread_rows(len(sample), getattr(self.settings, self.group).jets)
        training = runner.train(self.training(self.table(sample.jets.take(rows))))
        self.model = training.artifacts()[self.product]
        return self

    def score(self, jets: Jets) -> NDArray[np.float64]:
        model = self.ready(self.model)
        device = next(model.parameters()).device
        scores = np.zeros(len(jets))
        with torch.inference_mode():
            for start in range(0, len(jets), AT_ONCE):
                part = slice(start, start + AT_ONCE)
                rows = to_tensor(self.table(jets.take(part)), device)
                scores[part] = self.score_rows(model, rows).double().cpu().numpy()
        return scores

    def save(self, folder: Path) -> None:
        model = self.ready(self.model)
        save_settings(folder, self.settings, (self.group, "seed"))
        save_weights(model, folder / f"{self.product}.safetensors")

    @classmethod
    def load(cls, folder: Path, runner: Trainer | None = None) -> Self:
        detector = cls(load_settings(folder))
        detector.model = loaded(detector.untrained(), folder / f"{cls.product}.safetensors", runner or Trainer())
        return detector
