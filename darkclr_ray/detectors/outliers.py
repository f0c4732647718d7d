"""Wrap outlier detectors of scikit-learn and PyOD as baselines on observables of a jet.

    from pyod.models.knn import KNN
    from darkclr_ray.detectors.outliers import OutlierDetector

    class Neighbours(OutlierDetector):
        name, title = "neighbours", "distance to the fifth neighbour"

        def estimator(self):
            return KNN(n_neighbors=5)

This class, in a file my_detectors.py, is named ``my_detectors:Neighbours`` in lists of detectors.
"""

from __future__ import annotations

from abc import abstractmethod
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from darkclr_ray.detectors.base import AnomalyDetector
from darkclr_ray.detectors.saving import load_arrays, save_arrays
from darkclr_ray.jets.observables import observable_table
from darkclr_ray.jets.packed import Jets, TrainingSample
from darkclr_ray.training.trainer import Trainer

FILE = "observables.safetensors"


class OutlierDetector(AnomalyDetector[TrainingSample]):
    """Score jets by an outlier estimator on observables, standardised to mean 0 and standard deviation 1 in background.

    The estimator has ``fit`` and either scikit-learn's ``score_samples`` (lower = more anomalous) or PyOD's
    ``decision_function`` (higher = more anomalous).

    The detector is saved as the observables that it was fitted on, and fitted again when it is loaded. This needs no
    pickle and gives the same scores if the estimator is deterministic (set its ``random_state``). An estimator that
    ranks jets among those that are scored with them, as PyOD's ECOD and COPOD do, violates the contract of
    `AnomalyDetector.score`.
    """

    family = "observables"
    seeds = frozenset()
    observables: ClassVar[tuple[str, ...]] = ("multiplicity", "mass", "pt_dispersion", "width")
    """Names of the observables that the estimator is fitted on; see `darkclr_ray.jets.observables`."""
    most: ClassVar[int] = 10_000
    """Largest number of training jets, evenly spread over the sample; the cost of many estimators grows quadratically.
    """

    def __init__(self) -> None:
        self.table: NDArray[np.float64] | None = None
        self.fitted: Any = None

    @abstractmethod
    def estimator(self) -> Any:
        """Return a new, unfitted estimator."""

    def fit(self, sample: TrainingSample, runner: Trainer) -> Self:
        rows = np.arange(0, len(sample), -(-len(sample) // self.most))
        return self._fit(observable_table(sample.jets.take(rows), self.observables))

    def _fit(self, table: NDArray[np.float64]) -> Self:
        self.table = table
        self.mean, self.spread = table.mean(0), table.std(0) + 1e-12
        self.fitted = self.estimator()
        self.fitted.fit((table - self.mean) / self.spread)
        return self

    def score(self, jets: Jets) -> NDArray[np.float64]:
        fitted = self.ready(self.fitted)
        features = (observable_table(jets, self.observables) - self.mean) / self.spread
        if hasattr(fitted, "score_samples"):
            return -np.asarray(fitted.score_samples(features), dtype=np.float64)
        return np.asarray(fitted.decision_function(features), dtype=np.float64)

    def save(self, folder: Path) -> None:
        save_arrays(folder / FILE, {"observables": self.ready(self.table)})

    @classmethod
    def load(cls, folder: Path, runner: Trainer | None = None) -> Self:
        return cls()._fit(load_arrays(folder / FILE)["observables"])
