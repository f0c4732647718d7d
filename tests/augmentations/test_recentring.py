"""Recentring: the centroid is at the origin, and distances between constituents are those before."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import numpy as np

from darkclr_ray.augmentations.recentring import Recentring
from darkclr_ray.jets.packed import Jets
from darkclr_ray.randomness import KeyedRNG


def test_centroids_are_at_the_origin(toy_jets: Callable[..., Jets]) -> None:
    jets = toy_jets(50)
    shifted = np.asfortranarray(jets.constituents + np.float32([0.0, 0.3, -0.7]))
    draws = KeyedRNG.keyed(jets.ids, seed=1, epoch=0, transformation="recentring", draw=0)
    moved, offsets = Recentring()(shifted, jets.offsets, draws)
    np.testing.assert_array_equal(offsets, jets.offsets)
    for first, last in pairwise(offsets):
        pt, *angles = moved[first:last].T.astype(np.float64)
        np.testing.assert_array_equal(pt, jets.constituents[first:last, 0])
        for angle, before in zip(angles, jets.constituents[first:last, 1:].T, strict=True):
            assert abs(np.average(angle, weights=pt)) < 1e-6
            np.testing.assert_allclose(angle - angle[0], before - before[0], atol=2e-6)
