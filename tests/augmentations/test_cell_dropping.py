"""Dropping of Voronoi cells: against a loop over constituents, and by the symmetries of distances."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from darkclr_ray.augmentations.cell_dropping import CENTRES, CellDropping, centres, nearest_centres
from darkclr_ray.jets.packed import Jets, vector_pt
from darkclr_ray.randomness import KeyedRNG


def drawn(jets: Jets) -> KeyedRNG:
    return KeyedRNG.keyed(jets.ids, seed=1, epoch=0, transformation="cell_dropping", draw=2)


def test_cells_are_those_of_a_loop(toy_jets: Callable[..., Jets]) -> None:
    jets = toy_jets(60)
    chosen = centres(jets.offsets, drawn(jets))
    found = nearest_centres(jets.constituents, jets.offsets, chosen)
    positions = jets.constituents[:, 1:].astype(np.float64)
    for first, last in zip(jets.offsets[:-1], jets.offsets[1:], strict=True):
        own = np.arange(first, last)[chosen[first:last]]
        assert len(own)
        for row in range(first, last):
            distances = np.linalg.norm(positions[own] - positions[row], axis=1)
            assert found[row] in own
            assert np.linalg.norm(positions[found[row]] - positions[row]) == pytest.approx(distances.min(), abs=1e-6)


def test_the_share_of_centres_is_uniform() -> None:
    jets = Jets.from_lists([[[1.0, 0.001 * place, 0.0] for place in range(400)]] * 500)
    shares = np.add.reduceat(centres(jets.offsets, drawn(jets)), jets.offsets[:-1], dtype=np.int64) / 400
    low, high = CENTRES
    assert shares.mean() == pytest.approx((low + high) / 2, abs=0.03)
    assert shares.std() == pytest.approx((high - low) / np.sqrt(12), abs=0.03)


def test_whole_cells_are_dropped_and_pt_is_restored(toy_jets: Callable[..., Jets]) -> None:
    jets = toy_jets(300)
    left, offsets = CellDropping(0.5, "floor")(np.asfortranarray(jets.constituents), jets.offsets, drawn(jets))
    np.testing.assert_allclose(vector_pt(left, offsets), vector_pt(jets.constituents, jets.offsets), rtol=1e-5)
    nearest = nearest_centres(jets.constituents, jets.offsets, centres(jets.offsets, drawn(jets)))
    for number in range(len(jets)):
        rows = slice(jets.offsets[number], jets.offsets[number + 1])
        kept = np.isin(jets.constituents[rows, 1], left[offsets[number] : offsets[number + 1], 1])
        states = {(cell, stays) for cell, stays in zip(nearest[rows].tolist(), kept.tolist(), strict=True)}
        assert len(states) == len(set(nearest[rows].tolist()))
