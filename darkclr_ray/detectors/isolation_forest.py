"""Score jets, without labels, by an isolation forest: anomalous jets are isolated by few random cuts on observables."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from darkclr_ray.detectors.base import MOST_FITTED, AnomalyDetector
from darkclr_ray.detectors.display import GREY, Display, Style
from darkclr_ray.detectors.trees import Trees, tree_features
from darkclr_ray.jets.packed import Jets, TrainingSample
from darkclr_ray.randomness import digest
from darkclr_ray.settings import StudySettings
from darkclr_ray.training.trainer import Trainer

FILE = "trees.safetensors"


class IsolationForest(AnomalyDetector[TrainingSample]):
    """Score jets by scikit-learn's isolation forest at its defaults (100 trees of 256 jets), on `tree_features`.

    The score is 2^(-h/c) in (0, 1), where h is the mean depth of the leaves of a jet and c the mean depth expected for
    256 jets (Liu, Ting and Zhou, ICDM 2008).

    Args:
        seed: seed of the random trees.
    """

    name = "isolation_forest"
    title = "isolation forest on observables"
    display = Display("isolation forest", Style(GREY, "dash", "star-square"), order=46)
    family = "trees"

    def __init__(self, seed: int = 1) -> None:
        self.seed = seed
        self.trees: Trees | None = None

    @classmethod
    def from_settings(cls, settings: StudySettings) -> Self:
        return cls(settings.seed)

    def fit(self, sample: TrainingSample, runner: Trainer) -> Self:
        """Fit the forest on background jets. Raises ValueError for fewer than two jets."""
        from sklearn import ensemble

        if len(sample) < 2:
            raise ValueError(f"an isolation forest needs two or more background jets, not {len(sample)}")
        forest = ensemble.IsolationForest(random_state=digest("isolation forest", self.seed) % 2**32)
        forest.fit(tree_features(sample.jets.at_most(MOST_FITTED, seed=self.seed)))
        scale = len(forest.estimators_) * float(mean_depth(np.array([forest.max_samples_]))[0])
        self.trees = Trees.end_to_end([exported(member.tree_, scale) for member in forest.estimators_])
        return self

    def score(self, jets: Jets) -> NDArray[np.float64]:
        trees = self.ready(self.trees)
        scores: NDArray[np.float64] = np.exp2(-trees(tree_features(jets)))
        return scores

    def save(self, folder: Path) -> None:
        self.ready(self.trees).save(folder / FILE)

    @classmethod
    def load(cls, folder: Path, runner: Trainer | None = None) -> Self:
        detector = cls()
        detector.trees = Trees.load(folder / FILE)
        return detector


def exported(tree: Any, scale: float) -> Trees:
    """Return one of scikit-learn's trees as arrays; a leaf adds (its depth + `mean_depth` of its jets) / ``scale``."""
    leaf = tree.children_left < 0
    itself = np.arange(tree.node_count)
    left, right = (np.where(leaf, itself, below) for below in (tree.children_left, tree.children_right))
    depth = np.zeros(tree.node_count)
    for node in np.flatnonzero(~leaf):  # scikit-learn numbers a node before its children
        depth[[left[node], right[node]]] = depth[node] + 1
    value = (depth + mean_depth(tree.n_node_samples)) / scale
    return Trees.tree(np.where(leaf, 0, tree.feature), tree.threshold, left, right, value)


def mean_depth(count: NDArray[np.integer]) -> NDArray[np.float64]:
    """Return the mean depth (N,) at which random cuts isolate one of n jets: c(n) = 2 H(n - 1) - 2 (n - 1) / n.

    H(k) is the k-th harmonic number.

    >>> mean_depth(np.array([1, 2, 256])).round(3).tolist()
    [0.0, 1.0, 10.245]
    """
    others = np.maximum(count - 1.0, 1.0)
    depth: NDArray[np.float64] = 2.0 * (np.log(others) + np.euler_gamma) - 2.0 * others / np.maximum(count, 1.0)
    return np.where(count > 2, depth, np.maximum(count - 1.0, 0.0))
