"""Narrower and wider jets: all angles shifted in their logarithm."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from darkclr_ray.augmentations.registry import Packed, register
from darkclr_ray.randomness import KeyedRNG
from darkclr_ray.settings import InputSettings, ViewSettings


@register("angular_shift")
@dataclass(frozen=True)
class AngularShift:
    """All distances between the constituents of a jet scaled by one factor: ln(1 / Delta R) shifted in its Lund plane.

    The logarithm of the factor is uniform in [-``shift``, ``shift``], one a jet. The centre is the origin, the pT
    centroid of the untouched jet. The pT of the constituents is left as it is.

    Attributes:
        shift: largest shift of ln Delta R.
    """

    draws_of_views: ClassVar[tuple[int, int, int]] = (0, 1, 2)
    shift: float = 0.5

    @classmethod
    def from_settings(cls, views: ViewSettings, inputs: InputSettings) -> Self:
        return cls(views.angular_shift)

    def __call__(self, constituents: NDArray[np.float32], offsets: NDArray[np.int64], draws: KeyedRNG) -> Packed:
        factor = np.exp(self.shift * (2.0 * draws.uniform() - 1.0)).astype(np.float32)
        shifted = constituents.T.copy()
        shifted[1:] *= np.repeat(factor, np.diff(offsets))
        return shifted.T, offsets
