"""Cuts on one observable of a jet: the reference points that need no training."""

from __future__ import annotations

from pathlib import Path
from typing import Self

from darkclr_ray.detectors.base import AnomalyDetector
from darkclr_ray.jets.packed import TrainingSample
from darkclr_ray.training.trainer import Trainer


class ObservableCut(AnomalyDetector[TrainingSample]):
    """A detector with nothing to train and nothing to keep; a subclass says what it looks at."""

    family = "observables"
    seeds = frozenset()

    def fit(self, sample: TrainingSample, runner: Trainer) -> Self:
        """Nothing to train."""
        return self

    def save(self, folder: Path) -> None:
        """Nothing to keep."""

    @classmethod
    def load(cls, folder: Path, runner: Trainer | None = None) -> Self:
        return cls()
