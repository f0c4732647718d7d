"""Decision trees as plain arrays: what scikit-learn's ensembles of trees are kept as, so that no pickle is needed."""

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
"""Jets that descend the trees together."""


@dataclass(frozen=True, eq=False)
class Trees:
    """T trees of N nodes in all, whose values at the leaves are summed.

    Attributes:
        feature: int64 (N,): which feature a node looks at.
        threshold: float64 (N,): at most this goes left.
        left, right: int64 (N,): the nodes below; a leaf has itself.
        value: float64 (N,): what a leaf adds.
        roots: int64 (T,): where each tree begins.
    """

    feature: NDArray[np.int64]
    threshold: NDArray[np.float64]
    left: NDArray[np.int64]
    right: NDArray[np.int64]
    value: NDArray[np.float64]
    roots: NDArray[np.int64]

    def __call__(self, features: NDArray[np.float64]) -> NDArray[np.float64]:
        """Sum over the trees of the leaves' values that features (B, K) end in: (B,).

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
        """One tree, its root first."""
        whole = (np.asarray(array, dtype=np.int64) for array in (feature, left, right))
        numbers = (np.asarray(array, dtype=np.float64) for array in (threshold, value))
        (features, lefts, rights), (thresholds, values) = whole, numbers
        return Trees(features, thresholds, lefts, rights, values, np.zeros(1, dtype=np.int64))

    @staticmethod
    def end_to_end(trees: list[Trees]) -> Trees:
        """All trees of several sets."""
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
        """Write the arrays."""
        save_arrays(path, asdict(self))

    @staticmethod
    def load(path: Path) -> Trees:
        """What `save` wrote."""
        return Trees(**load_arrays(path))


def tree_features(jets: Jets) -> NDArray[np.float64]:
    """Multiplicity, mass, pT dispersion and width, (B, 4), rounded to float32, in which scikit-learn's trees compare.

    Jet pT is left out: it separates before anything is learned.
    """
    return observable_table(jets).astype(np.float32).astype(np.float64)
