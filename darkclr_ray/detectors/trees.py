"""Store scikit-learn's ensembles of decision trees as arrays, so that saving them needs no pickle."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from darkclr_ray.detectors.saving import load_arrays, save_arrays
from darkclr_ray.jets.observables import observable_table
from darkclr_ray.jets.packed import Jets

AT_ONCE = 4096
"""Number of jets that are evaluated together."""


@dataclass(frozen=True, eq=False)
class Trees:
    """Hold T decision trees with N nodes in total; the result is the sum of the leaves' values over the trees.

    Attributes:
        feature: int64 (N,): index of the feature that a node compares.
        threshold: float64 (N,): features up to and including this value go to the left child.
        left, right: int64 (N,): indices of the children; a leaf is its own child.
        value: float64 (N,): value that a leaf adds to the sum.
        roots: int64 (T,): index of each tree's root.
    """

    feature: NDArray[np.int64]
    threshold: NDArray[np.float64]
    left: NDArray[np.int64]
    right: NDArray[np.int64]
    value: NDArray[np.float64]
    roots: NDArray[np.int64]

    def __call__(self, features: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return for features (B, K) the sum over the trees of the values of the leaves that they reach, (B,).

        >>> stump = Trees.tree([0, 0, 0], [1.5, 0.0, 0.0], [1, 1, 2], [2, 1, 2], [0.0, -1.0, 1.0])
        >>> Trees.end_to_end([stump, stump])(np.array([[1.0], [2.0]])).tolist()
        [-2.0, 2.0]
        """
        sums = np.empty(len(features))
        for start in range(0, len(features), AT_ONCE):
            some = features[start : start + AT_ONCE]
            rows = np.arange(len(some))[:, None]
            nodes = np.broadcast_to(self.roots, (len(some), len(self.roots)))
            while True:
                goes_left = some[rows, self.feature[nodes]] <= self.threshold[nodes]
                below = np.where(goes_left, self.left[nodes], self.right[nodes])
                if np.array_equal(below, nodes):
                    break
                nodes = below
            sums[start : start + AT_ONCE] = self.value[nodes].sum(1)
        return sums

    @staticmethod
    def tree(feature: Any, threshold: Any, left: Any, right: Any, value: Any) -> Trees:
        """Return a single tree, given by the arrays of its nodes with the root first."""
        whole = (np.asarray(array, dtype=np.int64) for array in (feature, left, right))
        numbers = (np.asarray(array, dtype=np.float64) for array in (threshold, value))
        (features, lefts, rights), (thresholds, values) = whole, numbers
        return Trees(features, thresholds, lefts, rights, values, np.zeros(1, dtype=np.int64))

    @staticmethod
    def end_to_end(trees: list[Trees]) -> Trees:
        """Return all trees of several `Trees` concatenated into one."""
        starts = np.cumsum([0, *(len(tree.feature) for tree in trees[:-1])])
        return Trees(
            np.concatenate([tree.feature for tree in trees]),
            np.concatenate([tree.threshold for tree in trees]),
            np.concatenate([tree.left + start for tree, start in zip(trees, starts, strict=True)]),
            np.concatenate([tree.right + start for tree, start in zip(trees, starts, strict=True)]),
            np.concatenate([tree.value for tree in trees]),
            np.concatenate([tree.roots + start for tree, start in zip(trees, starts, strict=True)]),
        )

    def save(self, path: Path) -> None:
        """Write the arrays to ``path`` as safetensors."""
        save_arrays(path, asdict(self))

    @staticmethod
    def load(path: Path) -> Trees:
        """Return the trees that `save` wrote."""
        return Trees(**load_arrays(path))


def tree_features(jets: Jets) -> NDArray[np.float64]:
    """Return multiplicity, mass in GeV, pT dispersion and width of jets, (B, 4), rounded to float32.

    scikit-learn's trees compare in float32. Jet pT is omitted because it separates background from signal without
    learning.
    """
    return observable_table(jets).astype(np.float32).astype(np.float64)
