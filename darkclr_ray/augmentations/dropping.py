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
            ("vector"), on which selections cut; the sum over constituents ("scalar", authors' code); or that of the
            vector sum without lifting constituents off the detector's threshold ("floor", see :func:`keep_floor`).
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
        """Return the probability to drop a constituent: one for all, or float32 (M,) where each jet draws its own."""
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

        The probability is the same for all constituents of a jet. Where that would empty a jet, the constituents with
        its largest number stay.
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
    """Rescale constituents, float32 (3, M'), in place to the pT of the jets that they are left of.

    Args:
        constituents: pT in GeV, eta, phi.
        offsets: int64 (B + 1,), of what is left.
        before: the jets as they were.
        conserved_pt: which pT; see :class:`Dropping`.
        threshold, ramp: of :func:`keep_floor`.
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

    pT' = pT (1 + c g) with g = clip((pT - threshold) / ramp, 0, 1) and one c a jet, which solves
    |sum of pT + c sum of g pT| = target (vectors in the transverse plane), a quadratic equation: what is at the
    threshold stays there, what is well above it is scaled by a common factor. The order by pT is kept.

    A jet without anything above the threshold is scaled by a common factor, and so is one that would have to lose so
    much that the order by pT turned round. A dropping leads to the latter only in jets far wider than 0.8.

    Args:
        constituents: float32 (3, M): pT in GeV, eta, phi.
        offsets: int64 (B + 1,).
        target: float64 (B,), vector pT in GeV.
        threshold: pT in GeV below which the detector sees nothing.
        ramp: GeV above the threshold from which on the factor is the full one.
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
    """Summed pT of the constituents of each jet in GeV, (B,)."""
    return np.add.reduceat(constituents[:, 0], offsets[:-1])


def _summed(
    constituents: NDArray[np.float32], offsets: NDArray[np.int64], weights: NDArray[np.float64] | float = 1.0
) -> NDArray[np.complex128]:
    """Weighted sum of transverse momenta px + i py of each jet in GeV, complex (B,), in double precision."""
    pt, _, phi = constituents
    weighted = pt * weights
    px = np.add.reduceat(weighted * np.cos(phi), offsets[:-1], dtype=np.float64)
    py = np.add.reduceat(weighted * np.sin(phi), offsets[:-1], dtype=np.float64)
    return px + 1j * py
