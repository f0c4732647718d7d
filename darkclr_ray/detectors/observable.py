"""Base class of the baselines that cut on one observable of a jet and need no training."""

from __future__ import annotations

from pathlib import Path
from typing import Self

from darkclr_ray.detectors.base import AnomalyDetector
from darkclr_ray.jets.packed import TrainingSample
from darkclr_ray.training.trainer import Trainer


class ObservableCut(AnomalyDetector[TrainingSample]):
    """Detector without parameters; a subclass defines the observable in `score`."""

    family = "observables"
    seeds = frozenset()

    def fit(self, sample: TrainingSample, runner: Trainer) -> Self:
        """Return the detector unchanged, since there is nothing to train."""
        return self

    def save(self, folder: Path) -> None:
        """Write nothing, since the detector has no parameters."""

    @classmethod
    def load(cls, folder: Path, runner: Trainer | None = None) -> Self:
        return cls()
