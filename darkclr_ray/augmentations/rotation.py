"""Rotation of a jet in the plane of eta and phi (Sec. 3.2)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from darkclr_ray.augmentations.registry import register
from darkclr_ray.jets.packed import Packed
from darkclr_ray.randomness import KeyedRNG
from darkclr_ray.settings import InputSettings, ViewSettings


@register("rotation")
@dataclass(frozen=True)
class Rotation:
    """Rotate all constituents of a jet about the origin, the pT centroid of the untransformed jet, by one angle.

    The angle is uniform in [0, 2 pi), drawn once per jet (Sec. 3.2). The anomalous view is rotated by the anchor's
    angle, as in the authors' code (the paper does not specify this).
    """

    draws_of_views: ClassVar[tuple[int, int, int]] = (0, 1, 0)

    @classmethod
    def from_settings(cls, views: ViewSettings, inputs: InputSettings) -> Self:
        return cls()

    def __call__(self, constituents: NDArray[np.float32], offsets: NDArray[np.int64], draws: KeyedRNG) -> Packed:
        angle = (2.0 * np.pi * draws.uniform()).astype(np.float32)
        sizes = np.diff(offsets)
        cosine, sine = np.repeat(np.cos(angle), sizes), np.repeat(np.sin(angle), sizes)
        pt, eta, phi = constituents.T
        rotated = np.empty((3, len(pt)), dtype=np.float32)
        rotated[0] = pt
        np.multiply(cosine, eta, out=rotated[1])
        rotated[1] -= sine * phi
        np.multiply(sine, eta, out=rotated[2])
        rotated[2] += np.multiply(cosine, phi, out=cosine)
        return rotated.T, offsets
