"""Transformation that moves a jet to its pT centroid, which a dropping has shifted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from darkclr_ray.augmentations.registry import register
from darkclr_ray.jets.packed import Packed
from darkclr_ray.randomness import KeyedRNG
from darkclr_ray.settings import InputSettings, ViewSettings


@register("recentring")
@dataclass(frozen=True)
class Recentring:
    """Make eta and phi relative to the pT-weighted mean of the constituents.

    Untransformed jets are centred, so that a classifier of views would otherwise find views by their shifted centroids.
    """

    draws_of_views: ClassVar[tuple[int, int, int]] = (0, 1, 2)

    @classmethod
    def from_settings(cls, views: ViewSettings, inputs: InputSettings) -> Self:
        return cls()

    def __call__(self, constituents: NDArray[np.float32], offsets: NDArray[np.int64], draws: KeyedRNG) -> Packed:
        moved = constituents.T.astype(np.float64)
        total = np.add.reduceat(moved[0], offsets[:-1])
        for axis in (1, 2):
            centroid = np.add.reduceat(moved[0] * moved[axis], offsets[:-1]) / total
            moved[axis] -= np.repeat(centroid, np.diff(offsets))
        return moved.astype(np.float32).T, offsets
