"""Collinear splitting of constituents (JetCLR, SciPost Phys. 12, 188, Sec. 3)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from darkclr_ray.augmentations.registry import register
from darkclr_ray.jets.packed import Packed
from darkclr_ray.randomness import KeyedRNG
from darkclr_ray.settings import InputSettings, ViewSettings


@register("splitting")
@dataclass(frozen=True)
class Splitting:
    """Replace some constituents by two in the same direction that share their pT.

    A jet of n constituents has room for r = min(n, ``constituents`` - n) more, at least 0. The number of splittings is
    uniform in 0, ..., r; the constituents with the smallest random numbers split, each once. The larger of the two has
    the fraction max(u, 1 - u) of the pT with u uniform in (0, 1), the other the rest: the sum of the pair is exactly
    the constituent's pT. The second of each pair is appended at the end of the jet, so that constituents are not in
    order of pT.

    Attributes:
        constituents: largest number N_c of constituents afterwards; larger jets are not changed.
    """

    draws_of_views: ClassVar[tuple[int, int, int]] = (0, 1, 2)
    constituents: int = 50

    @classmethod
    def from_settings(cls, views: ViewSettings, inputs: InputSettings) -> Self:
        return cls(constituents=inputs.constituents)

    def __call__(self, constituents: NDArray[np.float32], offsets: NDArray[np.int64], draws: KeyedRNG) -> Packed:
        sizes = np.diff(offsets)
        room = np.clip(self.constituents - sizes, 0, sizes)
        count = np.floor(draws.uniform() * (room + 1)).astype(np.int64)
        rows = _smallest(draws.uniform(offsets, number=0), offsets, count)
        larger, smaller = _shared(constituents[rows, 0], draws.uniform(offsets, number=1)[rows])

        enlarged = np.zeros_like(offsets)
        np.cumsum(sizes + count, out=enlarged[1:])
        places = np.arange(len(constituents)) + np.repeat(enlarged[:-1] - offsets[:-1], sizes)
        extra = np.arange(len(rows)) + np.repeat(enlarged[1:] - np.cumsum(count), count)
        split = np.empty((3, enlarged[-1]), dtype=np.float32)
        split[:, places] = constituents.T
        split[:, extra] = constituents.T[:, rows]
        split[0, places[rows]] = larger
        split[0, extra] = smaller
        return split.T, enlarged


def _smallest(numbers: NDArray[np.floating], offsets: NDArray[np.int64], count: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the rows of the ``count`` (B,) smallest numbers of each jet, jet by jet."""
    sizes = np.diff(offsets)
    jet = np.repeat(np.arange(len(sizes)), sizes)
    order = np.lexsort((numbers, jet))
    rank = np.arange(len(numbers)) - np.repeat(offsets[:-1], sizes)
    return order[rank < np.repeat(count, sizes)]


def _shared(pt: NDArray[np.float32], numbers: NDArray[np.floating]) -> Packed:
    """Return two positive pT that add up to ``pt`` exactly: subtracting more than half is exact (Sterbenz's lemma)."""
    # 22 random bits and a half: the fraction is in [1/2, 1 - 2^-23], so that float32 never rounds it up to one
    fraction = (np.floor(numbers * 2**22) + 0.5).astype(np.float32) * np.float32(2.0**-22)
    larger = pt * np.maximum(fraction, 1 - fraction)
    return larger, pt - larger
