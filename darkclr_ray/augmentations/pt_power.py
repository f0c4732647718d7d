"""Transformation that makes the fragmentation harder or softer, by a power of the constituents' pT."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal, Self

import numpy as np
from numpy.typing import NDArray

from darkclr_ray.augmentations.dropping import restore_pt
from darkclr_ray.augmentations.registry import register
from darkclr_ray.jets.packed import Packed
from darkclr_ray.randomness import KeyedRNG
from darkclr_ray.settings import InputSettings, ViewSettings


@register("pt_power")
@dataclass(frozen=True)
class PtPower:
    """Raise the constituents' pT, relative to the jet's hardest, to one power per jet, and restore the jet's pT.

    With a power above 1 the hardest constituents carry a larger fraction of the jet's pT, below 1 a smaller one.
    Constituents that fall below the detector's threshold are removed.

    Attributes:
        powers: range from which the power is drawn uniformly for each jet.
        conserved_pt, pt_threshold, pt_ramp: see :class:`~darkclr_ray.augmentations.dropping.Dropping`.
    """

    draws_of_views: ClassVar[tuple[int, int, int]] = (0, 1, 2)
    powers: tuple[float, float] = (0.8, 1.5)
    conserved_pt: Literal["vector", "scalar", "floor"] = "vector"
    pt_threshold: float = 0.5
    pt_ramp: float = 2.5

    @classmethod
    def from_settings(cls, views: ViewSettings, inputs: InputSettings) -> Self:
        return cls(views.pt_powers, views.conserved_pt, views.pt_threshold, views.pt_ramp)

    def __call__(self, constituents: NDArray[np.float32], offsets: NDArray[np.int64], draws: KeyedRNG) -> Packed:
        sizes = np.diff(offsets)
        low, high = self.powers
        power = np.repeat(low + (high - low) * draws.uniform(), sizes)
        before = constituents[:, 0].astype(np.float64)
        hardest = np.repeat(np.maximum.reduceat(before, offsets[:-1]), sizes)
        pt = hardest * (before / hardest) ** power
        kept = np.flatnonzero((pt >= self.pt_threshold) | (before < self.pt_threshold) | (before == hardest))
        remaining = np.searchsorted(kept, offsets)
        changed = np.take(constituents.T, kept, axis=1)
        changed[0] = pt[kept]
        restore_pt(
            changed,
            remaining,
            (constituents, offsets),
            self.conserved_pt,
            threshold=self.pt_threshold,
            ramp=self.pt_ramp,
        )
        return changed.T, remaining
