"""Transformation that drops cells of a jet: groups of neighbouring constituents that no clustering has defined."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from darkclr_ray.augmentations.dropping import Dropping
from darkclr_ray.augmentations.registry import register
from darkclr_ray.jets.packed import Packed, ragged_arange
from darkclr_ray.randomness import KeyedRNG

CENTRES = (0.2, 0.8)
"""Range of the probability that a constituent is the centre of a cell; one is drawn for each jet."""


@register("cell_dropping")
@dataclass(frozen=True)
class CellDropping(Dropping):
    """Drop each Voronoi cell of a jet with probability ``p_drop``, and scale the remaining pT to the original pT.

    Constituents are centres of cells at random, and every other one belongs to the cell of the nearest centre in eta
    and phi. A cell is dropped if the random number of its centre is below ``p_drop``; if all would be dropped, the one
    with the largest number is kept. Unlike branches, cells have nothing to do with the observables that are counts of
    Cambridge/Aachen subjets, so that they are a test of what `branch_dropping` teaches.
    """

    def __call__(self, constituents: NDArray[np.float32], offsets: NDArray[np.int64], draws: KeyedRNG) -> Packed:
        nearest = nearest_centres(constituents, offsets, centres(offsets, draws))
        return self.dropped(constituents, offsets, draws.uniform(offsets)[nearest], self.probability(draws, offsets))


def centres(offsets: NDArray[np.int64], draws: KeyedRNG) -> NDArray[np.bool_]:
    """Return for each constituent, (M,), whether it is the centre of a cell; every jet has at least one centre."""
    low, high = CENTRES
    share = (low + (high - low) * draws.uniform(number=1)).astype(np.float32)
    numbers = draws.uniform(offsets, number=1)
    smallest = np.minimum.reduceat(numbers, offsets[:-1])
    chosen: NDArray[np.bool_] = numbers <= np.repeat(np.maximum(share, smallest), np.diff(offsets))
    return chosen


def nearest_centres(
    constituents: NDArray[np.float32], offsets: NDArray[np.int64], chosen: NDArray[np.bool_]
) -> NDArray[np.int64]:
    """Return the row of the nearest centre of each constituent within its jet, int64 (M,)."""
    sizes = np.diff(offsets)
    rows = np.flatnonzero(chosen)
    first = np.searchsorted(rows, offsets)
    pairs, starts = ragged_arange(np.repeat(first[:-1], sizes), np.repeat(np.diff(first), sizes))
    these = np.repeat(np.arange(len(constituents)), np.diff(starts))
    _, eta, phi = constituents.T
    distance = np.square(eta[these] - eta[rows[pairs]]) + np.square(phi[these] - phi[rows[pairs]])
    closest = np.minimum.reduceat(distance, starts[:-1])
    at = np.flatnonzero(distance == np.repeat(closest, np.diff(starts)))
    nearest: NDArray[np.int64] = rows[pairs[at[np.searchsorted(at, starts[:-1])]]]
    return nearest
