"""Smearing: normal shifts whose width falls with pT, as JetCLR states it."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy import stats

from darkclr_ray.augmentations.smearing import Smearing
from darkclr_ray.jets.packed import Jets
from darkclr_ray.randomness import KeyedRNG


def test_shifts_are_normal_in_units_of_their_width(toy_jets: Callable[..., Jets]):
    jets = toy_jets(1000)
    constituents = jets.constituents.copy()
    constituents[::7, 0] = 0.01  # below 0.1 GeV the width stays 1
    draws = KeyedRNG.keyed(jets.ids, seed=1, epoch=0, transformation="smearing", draw=1)
    smeared, offsets = Smearing()(constituents, jets.offsets, draws)
    np.testing.assert_array_equal(offsets, jets.offsets)
    np.testing.assert_array_equal(smeared[:, 0], constituents[:, 0])
    width = 0.1 / np.maximum(constituents[:, 0], 0.1)
    wide = width > 0.01  # narrow ones drown in float32's rounding of the coordinate
    eta, phi = ((smeared[wide, axis] - constituents[wide, axis]) / width[wide] for axis in (1, 2))
    for shift in (eta, phi):
        assert stats.kstest(shift, "norm").pvalue > 1e-3
    assert abs(stats.pearsonr(eta, phi).statistic) < 4.0 / np.sqrt(len(eta))
