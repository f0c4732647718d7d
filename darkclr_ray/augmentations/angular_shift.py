"""Transformation that makes jets narrower or wider by a shift of the logarithm of all angles."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from darkclr_ray.augmentations.registry import register
from darkclr_ray.jets.packed import Packed
from darkclr_ray.randomness import KeyedRNG
from darkclr_ray.settings import InputSettings, ViewSettings


@register("angular_shift")
@dataclass(frozen=True)
class AngularShift:
    """Scale all angular distances of a jet by one factor, which shifts ln(1 / Delta R) in its Lund plane.

    The logarithm of the factor is uniform in [-``shift``, ``shift``], drawn once per jet. The centre is the origin, the
    pT centroid of the untransformed jet. The pT of the constituents does not change.

    Attributes:
        shift: largest absolute shift of ln Delta R.
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
