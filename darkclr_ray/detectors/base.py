"""What every detector is: fitted once, it gives each jet a number, higher where the jet is stranger."""

from __future__ import annotations

from abc import ABC, abstractmethod
from pathlib import Path
from typing import ClassVar, Generic, Self, TypeVar

import numpy as np
from numpy.typing import NDArray

from darkclr_ray.jets.packed import Jets
from darkclr_ray.settings import StudySettings
from darkclr_ray.training.runner import Runner

Sample = TypeVar("Sample", contravariant=True)
"""What a detector is fitted on: `TrainingSample`, which carries no label, for all that claim to need none; a type that
carries labels where a detector is a supervised reference, so that its type says so."""


class Detector(ABC, Generic[Sample]):
    """A method that finds anomalous jets.

    A new one is a subclass in a file of its own: name, title, and the four methods. What it trains, it trains through
    the runner (`Runner.train`, `Runner.represent`), so that it runs in a notebook and on a cluster, and shares encoders
    and representations with other detectors. `Multiplicity` is the shortest example.
    """

    name: ClassVar[str]
    """Short and unique: the detector's name in ``scores.parquet`` and file names."""
    title: ClassVar[str]
    """For legends and tables."""

    @classmethod
    def from_settings(cls, settings: StudySettings) -> Self:
        """The detector that a study's settings ask for; overridden where it depends on them."""
        return cls()

    @abstractmethod
    def fit(self, sample: Sample, runner: Runner) -> Self:
        """Train on ``sample`` wherever ``runner`` runs. Raises TrainingDiverged where no finite training came about."""

    @abstractmethod
    def score(self, jets: Jets) -> NDArray[np.float64]:
        """One finite number a jet, (B,), higher = more anomalous. Raises ValueError before `fit` or `load`."""

    @abstractmethod
    def save(self, folder: Path) -> None:
        """Write everything that `score` needs: weights as safetensors, settings as JSON; no code."""

    @classmethod
    @abstractmethod
    def load(cls, folder: Path, runner: Runner | None = None) -> Self:
        """The detector that `save` wrote, scoring where ``runner`` runs (none: in this process)."""
