"""Translation: one shift a jet and axis, uniform in the jet's own window, never wrapped."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from scipy import stats

from darkclr_ray.augmentations.translation import Translation
from darkclr_ray.jets.packed import Jets
from darkclr_ray.randomness import KeyedRNG

KEY = {"seed": 3, "epoch": 1, "transformation": "translation", "draw": 0}


@pytest.mark.parametrize("width", [0.0, 0.5, 1.0, 3.0])
def test_shifts_are_uniform_in_the_window_of_each_jet(toy_jets: Callable[..., Jets], width: float):
    jets = toy_jets(3000, most=12)
    shifted, offsets = Translation(width)(jets.constituents, jets.offsets, KeyedRNG.keyed(jets.ids, **KEY))
    np.testing.assert_array_equal(offsets, jets.offsets)
    np.testing.assert_array_equal(shifted[:, 0], jets.constituents[:, 0])
    relative = []
    for jet in range(len(jets)):
        rows = slice(*jets.offsets[jet : jet + 2])
        before, after = jets.constituents[rows, 1:].astype(float), shifted[rows, 1:].astype(float)
        extent = before.max(0) - before.min(0)
        np.testing.assert_allclose(after - before, np.broadcast_to((after - before)[0], before.shape), atol=1e-6)
        if len(before) > 1:
            relative.append((after - before)[0] / extent)
        else:
            np.testing.assert_array_equal(after, before)
    eta, phi = np.array(relative).T
    assert max(abs(eta).max(), abs(phi).max()) <= width + 1e-4
    if width:
        for shift in (eta, phi):
            assert stats.kstest(shift, stats.uniform(-width, 2 * width).cdf).pvalue > 1e-3
        assert abs(stats.pearsonr(eta, phi).statistic) < 4.0 / np.sqrt(len(eta))


def test_a_jet_shifted_past_pi_stays_whole():
    jets = Jets.from_lists([[[2.0, 0.0, -3.0], [1.0, 0.0, 3.0]]] * 100)
    shifted, _ = Translation(2.0)(jets.constituents, jets.offsets, KeyedRNG.keyed(jets.ids, **KEY))
    assert abs(shifted[:, 2]).max() > np.pi
    np.testing.assert_allclose(shifted[1::2, 2] - shifted[::2, 2], 6.0, rtol=1e-5)
