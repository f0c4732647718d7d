"""Transformation that draws one of several transformations for each jet."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from darkclr_ray.augmentations.registry import Augmentation, apply, find, register, takes_tree
from darkclr_ray.jets.cambridge_aachen import ClusterTree
from darkclr_ray.jets.packed import Packed, ragged_arange
from darkclr_ray.randomness import KeyedRNG
from darkclr_ray.settings import InputSettings, ViewSettings


@register("mixture")
@dataclass(frozen=True)
class Mixture:
    """Transform each jet by one of several transformations, drawn with probabilities proportional to weights.

    Attributes:
        families: the transformations.
        weights: their weights, of which only ratios matter.
    """

    draws_of_views: ClassVar[tuple[int, int, int]] = (0, 1, 2)
    families: tuple[Augmentation, ...]
    weights: tuple[float, ...]

    @classmethod
    def from_settings(cls, views: ViewSettings, inputs: InputSettings) -> Self:
        names, weights = zip(*views.mixture, strict=True)
        return cls(tuple(find(name).from_settings(views, inputs) for name in names), weights)

    @property
    def takes_tree(self) -> bool:
        """Return whether one of the transformations uses the Cambridge/Aachen trees of the jets."""
        return any(takes_tree(family) for family in self.families)

    def __call__(
        self,
        constituents: NDArray[np.float32],
        offsets: NDArray[np.int64],
        draws: KeyedRNG,
        tree: ClusterTree | None = None,
    ) -> Packed:
        bounds = np.cumsum(self.weights[:-1]) / np.sum(self.weights)
        drawn = np.searchsorted(bounds, draws.derived("family").uniform(), side="right")
        members = [np.flatnonzero(drawn == number) for number in range(len(self.families))]
        parts = []
        for family, jets in zip(self.families, members, strict=True):
            if len(jets):
                rows, own = ragged_arange(offsets[:-1][jets], np.diff(offsets)[jets])
                packed = np.take(constituents.T, rows, axis=1).T, own
                own_tree = tree.take(rows) if tree is not None and takes_tree(family) else None
                parts.append(apply(family, packed, draws.of(jets), own_tree))
        sizes = np.concatenate([np.diff(own) for _, own in parts])
        ends = np.cumsum(sizes)
        order = np.argsort(np.concatenate(members))
        rows, remaining = ragged_arange((ends - sizes)[order], sizes[order])
        together = np.concatenate([changed.T for changed, _ in parts], axis=1)
        return np.take(together, rows, axis=1).T, remaining
