"""Rotation: distances and pT stay, the angle is uniform, and it is the rotation of the plane."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy import stats

from darkclr_ray.augmentations.rotation import Rotation
from darkclr_ray.jets.packed import Jets
from darkclr_ray.randomness import KeyedRNG

KEY = {"seed": 3, "epoch": 1, "transformation": "rotation", "draw": 0}


def test_turns_each_jet_by_its_angle(toy_jets: Callable[..., Jets]):
    jets = toy_jets(200)
    draws = KeyedRNG.keyed(jets.ids, **KEY)
    turned, offsets = Rotation()(jets.constituents, jets.offsets, draws)
    np.testing.assert_array_equal(offsets, jets.offsets)
    np.testing.assert_array_equal(turned[:, 0], jets.constituents[:, 0])
    for jet, angle in enumerate(2 * np.pi * draws.uniform()):
        rows = slice(*jets.offsets[jet : jet + 2])
        before, after = (x[rows, 1].astype(float) + 1j * x[rows, 2] for x in (jets.constituents, turned))
        np.testing.assert_allclose(after, before * np.exp(1j * angle), atol=1e-6)
        np.testing.assert_allclose(abs(after[:, None] - after[None]), abs(before[:, None] - before[None]), atol=1e-6)


def test_angles_are_uniform():
    count = 20_000
    offsets = np.arange(count + 1)
    constituents = np.tile(np.array([5.0, 1.0, 0.0], dtype=np.float32), (count, 1))
    turned, _ = Rotation()(constituents, offsets, KeyedRNG.keyed(np.arange(count), **KEY))
    angle = np.arctan2(turned[:, 2], turned[:, 1])
    assert stats.kstest(angle, stats.uniform(-np.pi, 2 * np.pi).cdf).pvalue > 1e-3
