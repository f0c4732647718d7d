"""Anomalous augmentation of the paper (Sec. 3.2), which drops constituents and restores the jet's pT."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal, Self

import numpy as np
from numpy.typing import NDArray

from darkclr_ray.augmentations.registry import register
from darkclr_ray.jets.packed import Packed, vector_pt
from darkclr_ray.randomness import KeyedRNG
from darkclr_ray.settings import InputSettings, ViewSettings


@register("dropping")
@dataclass(frozen=True)
class Dropping:
    """Drop each constituent with probability ``p_drop``, and scale the remaining pT to the jet's original pT.

    A constituent is dropped if its random number is below ``p_drop``. If all constituents would be dropped, the one
    with the largest number is kept. Positions do not change: a jet is not centred again.

    Attributes:
        p_drop: the probability, or a range from which one is drawn uniformly for each jet.
        conserved_pt: pT of the jet that is restored, to a few parts in 10 million: that of its vector sum
            ("vector"), on which selections cut; the sum over constituents ("scalar", authors' code); or that of the
            vector sum with constituents at the detector's threshold unchanged ("floor", see :func:`keep_floor`).
        pt_threshold, pt_ramp: threshold and width in GeV of ``keep_floor``.
    """

    draws_of_views: ClassVar[tuple[int, int, int]] = (0, 1, 2)
    p_drop: float | tuple[float, float] = 0.5
    conserved_pt: Literal["vector", "scalar", "floor"] = "vector"
    pt_threshold: float = 0.5
    pt_ramp: float = 2.5

    @classmethod
    def from_settings(cls, views: ViewSettings, inputs: InputSettings) -> Self:
        return cls(views.p_drop, views.conserved_pt, views.pt_threshold, views.pt_ramp)

    def __call__(self, constituents: NDArray[np.float32], offsets: NDArray[np.int64], draws: KeyedRNG) -> Packed:
        return self.dropped(constituents, offsets, draws.uniform(offsets), self.probability(draws, offsets))

    def probability(self, draws: KeyedRNG, offsets: NDArray[np.int64]) -> NDArray[np.float32] | np.float32:
        """Return the probability to drop a constituent: one number for all, or float32 (M,) with a number per jet."""
        if isinstance(self.p_drop, tuple):
            low, high = self.p_drop
            return np.repeat((low + (high - low) * draws.uniform()).astype(np.float32), np.diff(offsets))
        return np.float32(self.p_drop)

    def dropped(
        self,
        constituents: NDArray[np.float32],
        offsets: NDArray[np.int64],
        numbers: NDArray[np.floating],
        probability: NDArray[np.float32] | np.float32,
    ) -> Packed:
        """Return jets without the constituents whose number, (M,), is below the probability, with their pT restored.

        The probability is the same for all constituents of a jet. If all of them would be dropped, those with the jet's
        largest number are kept.
        """
        kept = np.flatnonzero(numbers >= probability)
        remaining = np.searchsorted(kept, offsets)
        if not np.diff(remaining).all():
            largest = np.repeat(np.maximum.reduceat(numbers, offsets[:-1]), np.diff(offsets))
            kept = np.flatnonzero(numbers >= np.minimum(probability, largest))
            remaining = np.searchsorted(kept, offsets)
        survivors = np.take(constituents.T, kept, axis=1)
        before = constituents, offsets
        restore_pt(survivors, remaining, before, self.conserved_pt, threshold=self.pt_threshold, ramp=self.pt_ramp)
        return survivors.T, remaining


def restore_pt(
    constituents: NDArray[np.float32],
    offsets: NDArray[np.int64],
    before: Packed,
    conserved_pt: Literal["vector", "scalar", "floor"],
    *,
    threshold: float,
    ramp: float,
) -> None:
    """Rescale the remaining constituents, float32 (3, M'), in place to the original pT of their jets.

    Args:
        constituents: pT in GeV, eta, phi.
        offsets: int64 (B + 1,), offsets of the remaining constituents.
        before: the original jets.
        conserved_pt: pT that is restored; see :class:`Dropping`.
        threshold, ramp: arguments of :func:`keep_floor` in GeV.
    """
    if conserved_pt == "floor":
        keep_floor(constituents, offsets, np.abs(_summed(before[0].T, before[1])), threshold, ramp)
        return
    total = vector_pt if conserved_pt == "vector" else _scalar_pt
    factor = total(*before) / total(constituents.T, offsets)
    constituents[0] *= np.repeat(factor, np.diff(offsets))


def keep_floor(
    constituents: NDArray[np.float32],
    offsets: NDArray[np.int64],
    target: NDArray[np.float64],
    threshold: float,
    ramp: float,
) -> None:
    """Rescale constituents in place to a given vector pT of each jet such that none crosses the detector's threshold.

    pT' = pT (1 + c g) with g = clip((pT - threshold) / ramp, 0, 1), where c is one number per jet that solves |sum of
    pT + c sum of g pT| = target (vectors in the transverse plane), a quadratic equation. The pT of constituents at the
    threshold does not change, and constituents well above it are scaled by a common factor. The order by pT is kept.

    All constituents of a jet are scaled by a common factor if none is above the threshold, or if the reduction of pT
    would reverse their order. A dropping requires such a reduction only in jets far wider than 0.8.

    Args:
        constituents: float32 (3, M): pT in GeV, eta, phi.
        offsets: int64 (B + 1,).
        target: float64 (B,), vector pT in GeV.
        threshold: smallest pT in GeV that the detector registers.
        ramp: distance from the threshold in GeV above which g is 1.
    """
    pt = constituents[0].astype(np.float64)
    hard = np.clip((pt - threshold) / ramp, 0.0, 1.0)
    total, scalable = _summed(constituents, offsets), _summed(constituents, offsets, hard)
    squared = np.abs(scalable) ** 2
    along = (total * scalable.conj()).real
    missing = target**2 - np.abs(total) ** 2
    with np.errstate(divide="ignore", invalid="ignore"):
        growth = missing / (along + np.sqrt(along**2 + squared * missing))
        possible = (squared > (1e-6 * target) ** 2) & (along > 0) & (growth > -ramp / (threshold + 2 * ramp))
        factor = target / np.abs(total)
    sizes = np.diff(offsets)
    hard *= np.repeat(np.where(possible, growth, 0.0), sizes)
    hard += np.repeat(np.where(possible, 1.0, factor), sizes)
    constituents[0] = pt * hard


def _scalar_pt(constituents: NDArray[np.float32], offsets: NDArray[np.int64]) -> NDArray[np.float32]:
    """Return the summed pT of the constituents of each jet in GeV, (B,)."""
    return np.add.reduceat(constituents[:, 0], offsets[:-1])


def _summed(
    constituents: NDArray[np.float32], offsets: NDArray[np.int64], weights: NDArray[np.float64] | float = 1.0
) -> NDArray[np.complex128]:
    """Return the weighted sum of transverse momenta px + i py of each jet in GeV, complex128 (B,)."""
    pt, _, phi = constituents
    weighted = pt * weights
    px = np.add.reduceat(weighted * np.cos(phi), offsets[:-1], dtype=np.float64)
    py = np.add.reduceat(weighted * np.sin(phi), offsets[:-1], dtype=np.float64)
    return px + 1j * py
