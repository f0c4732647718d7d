"""A jet is the stranger the fewer constituents it has: the one-line cut that every method has to beat."""

from __future__ import annotations

from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray

from darkclr_ray.detectors.base import Detector
from darkclr_ray.jets.packed import Jets, TrainingSample
from darkclr_ray.training.runner import Runner


class Multiplicity(Detector[TrainingSample]):
    """Minus the number of constituents, all of them counted."""

    name = "multiplicity"
    title = "few constituents"

    def fit(self, sample: TrainingSample, runner: Runner) -> Self:
        """Nothing to train."""
        return self

    def score(self, jets: Jets) -> NDArray[np.float64]:
        return -jets.multiplicity.astype(np.float64)

    def save(self, folder: Path) -> None:
        """Nothing to keep."""

    @classmethod
    def load(cls, folder: Path, runner: Runner | None = None) -> Self:
        return cls()
