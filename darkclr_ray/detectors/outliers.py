"""Other libraries' outlier detectors as baselines: scikit-learn's and PyOD's, on observables of a jet.

    from pyod.models.knn import KNN
    from darkclr_ray.detectors.outliers import OutlierDetector

    class Neighbours(OutlierDetector):
        name, title = "neighbours", "distance to the fifth neighbour"

        def estimator(self):
            return KNN(n_neighbors=5)

makes one, for ``my_detectors:Neighbours`` wherever a detector is named.
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
    """Any estimator with ``fit`` and either scikit-learn's ``score_samples`` (lower is stranger) or PyOD's
    ``decision_function`` (higher is stranger), on observables scaled by the background's mean and spread.

    It is kept as the observables that it was fitted on, and fitted again when it is loaded: no pickle, and the same
    scores as long as the estimator leaves nothing to chance (set its ``random_state``). An estimator that ranks jets
    among those that are scored with them, as PyOD's ECOD and COPOD do, breaks the promises of `AnomalyDetector`.
    """

    family = "observables"
    seeds = frozenset()
    observables: ClassVar[tuple[str, ...]] = ("multiplicity", "mass", "pt_dispersion", "width")
    """What it looks at; see `darkclr_ray.jets.observables`."""
    most: ClassVar[int] = 10_000
    """Training jets at the most, evenly spread over the sample: many of these methods grow with their square."""

    def __init__(self) -> None:
        self.table: NDArray[np.float64] | None = None
        self.fitted: Any = None

    @abstractmethod
    def estimator(self) -> Any:
        """A new estimator, not fitted."""

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
