"""Dropping of constituents with the jet's pT restored: the anomalous augmentation (Sec. 3.2)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal, Self

import numpy as np
from numpy.typing import NDArray

from darkclr_ray.augmentations.registry import Packed, register
from darkclr_ray.jets.packed import vector_pt
from darkclr_ray.randomness import KeyedRNG
from darkclr_ray.settings import InputSettings, ViewSettings


@register("dropping")
@dataclass(frozen=True)
class Dropping:
    """Each constituent dropped with probability ``p_drop``; the pT of what is left scaled to the jet's pT before.

    Every constituent draws a number, and is dropped where it is below ``p_drop``. Where that would empty a jet, its
    constituent with the largest number stays. Positions are left as they are: a jet is not centred again.

    Attributes:
        p_drop: the probability, or a range from which each jet draws its own, uniformly.
        conserved_pt: which pT of the jet is restored, to a few parts in 10 million: that of its vector sum
            ("vector"), on which selections cut; or the sum over constituents ("scalar", authors' code).
    """

    draws_of_views: ClassVar[tuple[int, int, int]] = (0, 1, 2)
    p_drop: float | tuple[float, float] = 0.5
    conserved_pt: Literal["vector", "scalar"] = "vector"

    @classmethod
    def from_settings(cls, views: ViewSettings, inputs: InputSettings) -> Self:
        return cls(p_drop=views.p_drop, conserved_pt=views.conserved_pt)

    def __call__(self, constituents: NDArray[np.float32], offsets: NDArray[np.int64], draws: KeyedRNG) -> Packed:
        numbers = draws.uniform(offsets)
        probability = self._probability(draws, offsets)
        kept = np.flatnonzero(numbers >= probability)
        remaining = np.searchsorted(kept, offsets)
        if not np.diff(remaining).all():
            largest = np.repeat(np.maximum.reduceat(numbers, offsets[:-1]), np.diff(offsets))
            kept = np.flatnonzero(numbers >= np.minimum(probability, largest))
            remaining = np.searchsorted(kept, offsets)
        survivors = np.take(constituents.T, kept, axis=1)
        total = vector_pt if self.conserved_pt == "vector" else _scalar_pt
        factor = total(constituents, offsets) / total(survivors.T, remaining)
        survivors[0] *= np.repeat(factor, np.diff(remaining))
        return survivors.T, remaining

    def _probability(self, draws: KeyedRNG, offsets: NDArray[np.int64]) -> NDArray[np.float32] | np.float32:
        if isinstance(self.p_drop, tuple):
            low, high = self.p_drop
            return np.repeat((low + (high - low) * draws.uniform()).astype(np.float32), np.diff(offsets))
        return np.float32(self.p_drop)


def _scalar_pt(constituents: NDArray[np.float32], offsets: NDArray[np.int64]) -> NDArray[np.float32]:
    """Summed pT of the constituents of each jet in GeV, (B,)."""
    return np.add.reduceat(constituents[:, 0], offsets[:-1])
