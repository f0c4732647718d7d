"""Angular shift: one factor for all distances of a jet, uniform in its logarithm."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy import stats

from darkclr_ray.augmentations.angular_shift import AngularShift
from darkclr_ray.jets.packed import Jets
from darkclr_ray.randomness import KeyedRNG


def test_all_distances_are_scaled_alike(toy_jets: Callable[..., Jets]) -> None:
    jets = toy_jets(2000)
    draws = KeyedRNG.keyed(jets.ids, seed=1, epoch=0, transformation="angular_shift", draw=2)
    shifted, offsets = AngularShift(0.5)(jets.constituents, jets.offsets, draws)
    np.testing.assert_array_equal(offsets, jets.offsets)
    np.testing.assert_array_equal(shifted[:, 0], jets.constituents[:, 0])
    radius, before = (np.hypot(x[:, 1], x[:, 2]).astype(float) for x in (shifted, jets.constituents))
    logarithms = np.log(radius / before)
    first = logarithms[offsets[:-1]]
    np.testing.assert_allclose(logarithms, np.repeat(first, np.diff(offsets)), atol=1e-5)
    assert stats.kstest(first, stats.uniform(-0.5, 1.0).cdf).pvalue > 1e-3
    angle, before = (np.arctan2(x[:, 2], x[:, 1]) for x in (shifted, jets.constituents))
    np.testing.assert_allclose(angle, before, atol=1e-5)
