"""Translation of a jet in the plane of eta and phi (Sec. 3.2)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from darkclr_ray.augmentations.registry import register
from darkclr_ray.jets.packed import Packed
from darkclr_ray.randomness import KeyedRNG
from darkclr_ray.settings import InputSettings, ViewSettings


@register("translation")
@dataclass(frozen=True)
class Translation:
    """Shift all constituents of a jet by the same distance, drawn once per jet and axis for each view.

    The shift along an axis is uniform within +- ``width`` times the jet's extent along it, the largest minus the
    smallest coordinate (authors' code, ``width`` = 1). The paper says "a window with size given by the distance between
    the two furthest constituents" (Sec. 3.2): literally, this is +- half that distance, one length for both axes. The
    window of the code is 1.66 times as wide: 2.05 along an axis for QCD jets, whose furthest constituents are 1.23
    apart. ``width`` = 0.5 is the literal window of the paper, except for the shape of the jet.

    Coordinates are relative to the jet, and a shift beyond pi is not wrapped, which would separate parts of the jet.
    """

    draws_of_views: ClassVar[tuple[int, int, int]] = (0, 1, 2)
    width: float = 1.0

    @classmethod
    def from_settings(cls, views: ViewSettings, inputs: InputSettings) -> Self:
        return cls(width=views.translation)

    def __call__(self, constituents: NDArray[np.float32], offsets: NDArray[np.int64], draws: KeyedRNG) -> Packed:
        sizes = np.diff(offsets)
        shifted = np.empty((3, len(constituents)), dtype=np.float32)
        shifted[0] = constituents[:, 0]
        for axis in (1, 2):
            coordinate = constituents[:, axis]
            extent = np.maximum.reduceat(coordinate, offsets[:-1]) - np.minimum.reduceat(coordinate, offsets[:-1])
            shift = self.width * (2.0 * draws.uniform(number=axis) - 1.0) * extent
            np.add(coordinate, np.repeat(shift.astype(np.float32), sizes), out=shifted[axis])
        return shifted.T, offsets
