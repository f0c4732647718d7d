"""Distance of jet images from the clusters of background images (Buss et al., SciPost Phys. 15, 168 (2023))."""

from __future__ import annotations

from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray

from darkclr_ray.detectors.base import AnomalyDetector
from darkclr_ray.detectors.display import GREEN, Display, Style
from darkclr_ray.detectors.saving import load_arrays, load_settings, save_arrays, save_settings
from darkclr_ray.jets.images import jet_images
from darkclr_ray.jets.packed import Jets, TrainingSample
from darkclr_ray.randomness import digest
from darkclr_ray.settings import StudySettings
from darkclr_ray.training.tables import spread_rows
from darkclr_ray.training.trainer import Trainer

FILE = "kmeans.safetensors"


class KMeansImages(AnomalyDetector[TrainingSample]):
    """Score jets by the Euclidean distance of their image from the nearest centre of scikit-learn's k-means."""

    name = "kmeans_images"
    title = "k-means on jet images"
    display = Display("k-means on jet images", Style(GREEN, "dot", "circle-x"), order=43)
    family = "k-means"

    def __init__(self, settings: StudySettings) -> None:
        self.settings = settings
        self.centres: NDArray[np.float32] | None = None

    @classmethod
    def from_settings(cls, settings: StudySettings) -> Self:
        return cls(settings)

    def fit(self, sample: TrainingSample, runner: Trainer) -> Self:
        from sklearn.cluster import KMeans

        own = self.settings.kmeans
        images = jet_images(sample.jets.take(spread_rows(len(sample), own.jets)), own.images)
        state = digest("k-means", self.settings.seed) % 2**32
        model = KMeans(min(own.clusters, len(images)), random_state=state).fit(images)
        self.centres = model.cluster_centers_
        return self

    def score(self, jets: Jets) -> NDArray[np.float64]:
        from scipy.spatial import KDTree

        nearest, _ = KDTree(self.ready(self.centres)).query(jet_images(jets, self.settings.kmeans.images))
        return np.asarray(nearest, dtype=np.float64)

    def save(self, folder: Path) -> None:
        arrays = {"centres": self.ready(self.centres)}
        save_settings(folder, self.settings, ("kmeans", "seed"))
        save_arrays(folder / FILE, arrays)

    @classmethod
    def load(cls, folder: Path, runner: Trainer | None = None) -> Self:
        detector = cls(load_settings(folder))
        detector.centres = load_arrays(folder / FILE)["centres"]
        return detector
