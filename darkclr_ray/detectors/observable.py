"""Cuts on one observable of a jet: the reference points that need no training."""

from __future__ import annotations

from pathlib import Path
from typing import Self

from darkclr_ray.detectors.base import Detector
from darkclr_ray.jets.packed import TrainingSample
from darkclr_ray.training.runner import Runner


class ObservableCut(Detector[TrainingSample]):
    """A detector with nothing to train and nothing to keep; a subclass says what it looks at."""

    family = "observables"
    seeds = frozenset()

    def fit(self, sample: TrainingSample, runner: Runner) -> Self:
        """Nothing to train."""
        return self

    def save(self, folder: Path) -> None:
        """Nothing to keep."""

    @classmethod
    def load(cls, folder: Path, runner: Runner | None = None) -> Self:
        return cls()
