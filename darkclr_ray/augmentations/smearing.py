"""Smearing of constituents' directions, as by soft radiation (JetCLR, SciPost Phys. 12, 188, Sec. 3)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from darkclr_ray.augmentations.registry import register
from darkclr_ray.jets.packed import Packed
from darkclr_ray.randomness import KeyedRNG
from darkclr_ray.settings import InputSettings, ViewSettings

SOFT_SCALE = 0.1  # GeV, JetCLR's Lambda_soft


@register("smearing")
@dataclass(frozen=True)
class Smearing:
    """Shift eta and phi of every constituent by independent normal draws of width 0.1 GeV / max(pT, 0.1 GeV)."""

    draws_of_views: ClassVar[tuple[int, int, int]] = (0, 1, 2)

    @classmethod
    def from_settings(cls, views: ViewSettings, inputs: InputSettings) -> Self:
        return cls()

    def __call__(self, constituents: NDArray[np.float32], offsets: NDArray[np.int64], draws: KeyedRNG) -> Packed:
        soft = np.float32(SOFT_SCALE)
        width = soft / np.maximum(constituents[:, 0], soft)
        smeared = np.empty((3, len(constituents)), dtype=np.float32)
        smeared[0] = constituents[:, 0]
        for axis in (1, 2):
            np.add(constituents[:, axis], width * draws.normal(offsets, number=axis), out=smeared[axis])
        return smeared.T, offsets
