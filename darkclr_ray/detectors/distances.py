"""Score jets, without labels, by the distance of their representation before the encoder's head from background."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from darkclr_ray.detectors.darkclr import RepresentationDetector
from darkclr_ray.detectors.display import SKY, Display, Style
from darkclr_ray.detectors.saving import load_arrays, save_arrays
from darkclr_ray.jets.packed import TrainingSample
from darkclr_ray.training.contrastive import ContrastiveTraining
from darkclr_ray.training.energy_model import fitted_scale
from darkclr_ray.training.trainer import Trainer

MOST = 10_000
"""Largest number of training jets among which neighbours are searched; they are evenly spread over the sample."""


class PooledDistance(RepresentationDetector):
    """Base class of detectors that compute a distance from background in the pooled layer (B, d_r)."""

    layer = "pooled"

    arrays: Mapping[str, NDArray[np.float64]]

    def fit_representations(self, encoder: ContrastiveTraining, sample: TrainingSample, runner: Trainer) -> None:
        self.arrays = self.fit_distance(runner.represent(encoder, sample.jets, self.layer))

    @abstractmethod
    def fit_distance(self, background: NDArray[np.float32]) -> Mapping[str, NDArray[np.float64]]:
        """Return the arrays that define the distance, computed from representations (B, d_r) of background jets."""

    def save(self, folder: Path) -> None:
        super().save(folder)
        save_arrays(folder / f"{self.name}.safetensors", self.arrays)

    @classmethod
    def load(cls, folder: Path, runner: Trainer | None = None) -> Self:
        detector = super().load(folder, runner)
        detector.arrays = load_arrays(folder / f"{cls.name}.safetensors")
        return detector


class Mahalanobis(PooledDistance):
    """Score jets by the Mahalanobis distance from the background's mean (Lee et al., arXiv:1807.03888, single class).

    The covariance is shrunk by the rule of Ledoit and Wolf (J. Multivar. Anal. 88 (2004) 365), so that it is invertible
    also if some dimensions do not vary in background.
    """

    name = "mahalanobis"
    title = "Mahalanobis distance before the head"
    display = Display("DarkCLR, Mahalanobis distance", Style(SKY, "dot", "square-open"), order=30)

    def fit_distance(self, background: NDArray[np.float32]) -> Mapping[str, NDArray[np.float64]]:
        from sklearn.covariance import LedoitWolf

        fitted = LedoitWolf().fit(background.astype(np.float64))
        return {"location": fitted.location_, "precision": fitted.precision_}

    def score_representations(self, z: NDArray[np.float32]) -> NDArray[np.float64]:
        apart = z.astype(np.float64) - self.arrays["location"]
        distances: NDArray[np.float64] = np.sqrt(np.einsum("ij,jk,ik->i", apart, self.arrays["precision"], apart))
        return distances


class NearestNeighbours(PooledDistance):
    """Score jets by the distance to the tenth nearest of at most 10,000 background jets (Sun et al., arXiv:2204.06507).

    Each dimension is divided by its standard deviation in background.
    """

    name = "neighbours"
    title = "distance to the tenth neighbour before the head"
    display = Display("DarkCLR, distance to neighbours", Style(SKY, "dashdot", "square-cross"), order=31)

    neighbours: ClassVar[int] = 10

    def fit_distance(self, background: NDArray[np.float32]) -> Mapping[str, NDArray[np.float64]]:
        mean, scale = (values.astype(np.float64) for values in fitted_scale(background, "dimension"))
        some = background[:: -(-len(background) // MOST)]
        return {"mean": mean, "scale": scale, "background": (some - mean) / scale}

    def score_representations(self, z: NDArray[np.float32]) -> NDArray[np.float64]:
        from sklearn.neighbors import NearestNeighbors

        background = self.arrays["background"]
        search = NearestNeighbors(n_neighbors=min(self.neighbours, len(background)), algorithm="brute").fit(background)
        distances, _ = search.kneighbors((z - self.arrays["mean"]) / self.arrays["scale"])
        farthest: NDArray[np.float64] = distances[:, -1]
        return farthest
