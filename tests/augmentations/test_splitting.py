"""Collinear splitting: pairs that share direction and pT exactly, as many as the rule says."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from scipy import stats

from darkclr_ray.augmentations.splitting import Splitting
from darkclr_ray.jets.packed import Jets
from darkclr_ray.randomness import KeyedRNG

KEY = {"seed": 3, "epoch": 1, "transformation": "splitting", "draw": 1}


@pytest.mark.parametrize("limit", [1, 30, 50])
def test_each_pair_is_the_constituent_it_came_from(toy_jets: Callable[..., Jets], limit: int):
    jets = toy_jets(800)
    split, offsets = Splitting(limit)(jets.constituents, jets.offsets, KeyedRNG.keyed(jets.ids, **KEY))
    assert split[:, 0].min() > 0.0
    for jet, size in enumerate(jets.multiplicity):
        before = jets.constituents[jets.offsets[jet] : jets.offsets[jet + 1]]
        after = split[offsets[jet] : offsets[jet + 1]]
        assert size <= len(after) <= max(size, min(limit, 2 * size))
        kept, new = after[:size], after[size:]
        np.testing.assert_array_equal(kept[:, 1:], before[:, 1:])
        total = kept[:, 0].copy()
        for pt, eta, phi in new:
            (parent,) = np.flatnonzero((before[:, 1] == eta) & (before[:, 2] == phi))
            assert kept[parent, 0] >= pt
            total[parent] += pt
        np.testing.assert_array_equal(total, before[:, 0])
        assert len(np.unique(new[:, 1])) == len(new)  # each splits once


def test_number_parents_and_fractions_are_uniform():
    count, size = 20_000, 10
    offsets = np.arange(count + 1) * size
    constituents = np.zeros((count * size, 3), dtype=np.float32)
    constituents[:, 0] = 8.0
    constituents[:, 1] = np.tile(np.arange(size), count)
    split, ends = Splitting(16)(constituents, offsets, KeyedRNG.keyed(np.arange(count), **KEY))
    extra = np.diff(ends) - size
    assert stats.chisquare(np.bincount(extra, minlength=7)).pvalue > 1e-3
    assert extra.max() == 6
    place = np.arange(len(split)) - np.repeat(ends[:-1], np.diff(ends))
    new = split[place >= size]
    assert stats.chisquare(np.bincount(new[:, 1].astype(int))).pvalue > 1e-3
    assert stats.kstest(new[:, 0] / 8.0, stats.uniform(0.0, 0.5).cdf).pvalue > 1e-3
