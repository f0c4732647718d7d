"""Dropping by hardness: each constituent goes as often as its odds say."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import special

from darkclr_ray.augmentations.hardness_dropping import HardnessDropping
from darkclr_ray.jets.packed import Jets
from darkclr_ray.randomness import KeyedRNG

PT = np.array([50.0, 20.0, 8.0, 3.0, 1.0, 0.6])
JETS = Jets.from_lists([[[pt, 0.1 * place, 0.0] for place, pt in enumerate(PT)]] * 20_000)


@pytest.mark.parametrize("hardness", [-1.0, 0.0, 0.7])
@pytest.mark.parametrize("p_drop", [0.2, 0.5])
def test_drop_rates(p_drop: float, hardness: float) -> None:
    draws = KeyedRNG.keyed(JETS.ids, seed=1, epoch=0, transformation="hardness_dropping", draw=2)
    left, _ = HardnessDropping(p_drop, hardness=hardness)(JETS.constituents, JETS.offsets, draws)
    logarithm = np.log(PT)
    expected = special.expit(special.logit(p_drop) + hardness * (logarithm - logarithm.mean()))
    kept = np.bincount(np.rint(10 * left[:, 1]).astype(int), minlength=len(PT))
    for survivors, probability in zip(kept, expected, strict=True):
        rescued = np.prod(expected) * len(JETS)  # jets that would be empty keep one constituent
        spread = np.sqrt(len(JETS) * probability * (1 - probability))
        assert abs(survivors - len(JETS) * (1 - probability)) < 4.5 * spread + rescued


def test_nothing_is_dropped_at_zero() -> None:
    draws = KeyedRNG.keyed(JETS.ids, seed=1, epoch=0, transformation="hardness_dropping", draw=2)
    left, offsets = HardnessDropping(0.0, "floor")(JETS.constituents, JETS.offsets, draws)
    np.testing.assert_array_equal(offsets, JETS.offsets)
    np.testing.assert_allclose(left, JETS.constituents, rtol=1e-6)
