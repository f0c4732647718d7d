"""Dropping of constituents with a probability that depends on their pT."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from darkclr_ray.augmentations.dropping import Dropping
from darkclr_ray.augmentations.registry import Packed, register
from darkclr_ray.randomness import KeyedRNG
from darkclr_ray.settings import InputSettings, ViewSettings


@register("hardness_dropping")
@dataclass(frozen=True)
class HardnessDropping(Dropping):
    """Each constituent dropped with a probability that rises or falls with its pT; the jet's pT restored.

    The odds of being dropped are p / (1 - p) (pT / m)^hardness: p is ``p_drop``, m the geometric mean of the pT of the
    jet's constituents. Where that would empty a jet, the constituent stays whose random number is largest in units of
    its probability.

    Attributes:
        hardness: power of pT in the odds; above 0 hard constituents are dropped more often than soft ones.
    """

    hardness: float = 1.0

    @classmethod
    def from_settings(cls, views: ViewSettings, inputs: InputSettings) -> Self:
        return cls(views.p_drop, views.conserved_pt, views.pt_threshold, views.pt_ramp, views.hardness)

    def __call__(self, constituents: NDArray[np.float32], offsets: NDArray[np.int64], draws: KeyedRNG) -> Packed:
        sizes = np.diff(offsets)
        logarithm = np.log(constituents[:, 0].astype(np.float64))
        logarithm -= np.repeat(np.add.reduceat(logarithm, offsets[:-1]) / sizes, sizes)
        with np.errstate(divide="ignore", over="ignore"):
            against = (1.0 / self.probability(draws, offsets).astype(np.float64) - 1.0) * np.exp(
                -self.hardness * logarithm
            )
        # below its probability 1 / (1 + against), a constituent's number over it is below one
        numbers = np.maximum(draws.uniform(offsets), 2.0**-25) * (1.0 + against)
        return self.dropped(constituents, offsets, numbers, np.float32(1.0))
