"""Transformation that drops constituents with a probability that depends on their pT."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from darkclr_ray.augmentations.dropping import Dropping
from darkclr_ray.augmentations.registry import register
from darkclr_ray.jets.packed import Packed
from darkclr_ray.randomness import KeyedRNG
from darkclr_ray.settings import InputSettings, ViewSettings


@register("hardness_dropping")
@dataclass(frozen=True)
class HardnessDropping(Dropping):
    """Drop constituents with a probability that rises or falls with their pT, and restore the jet's pT.

    The odds of being dropped are p / (1 - p) (pT / m)^hardness, where p is ``p_drop`` and m is the geometric mean of
    the pT of the jet's constituents. If all constituents would be dropped, the one with the largest ratio of its random
    number to its probability is kept.

    Attributes:
        hardness: power of pT in the odds; if positive, hard constituents are dropped more often than soft ones.
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
        # the ratio is below one if the random number is below the probability 1 / (1 + against)
        numbers = np.maximum(draws.uniform(offsets), 2.0**-25) * (1.0 + against)
        return self.dropped(constituents, offsets, numbers, np.float32(1.0))
