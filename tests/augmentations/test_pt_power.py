"""pT powers: by hand, what falls below the threshold, and the jet's pT."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from darkclr_ray.augmentations.pt_power import PtPower
from darkclr_ray.benchmarks.inputs import starter_background
from darkclr_ray.jets.packed import Jets, vector_pt
from darkclr_ray.randomness import KeyedRNG


@pytest.fixture(scope="module")
def qcd() -> Jets:
    return starter_background().take(slice(0, 300))


def drawn(jets: Jets) -> KeyedRNG:
    return KeyedRNG.keyed(jets.ids, seed=1, epoch=0, transformation="pt_power", draw=2)


def test_as_by_hand(qcd: Jets) -> None:
    changed, offsets = PtPower((0.7, 1.6), "scalar")(qcd.constituents, qcd.offsets, drawn(qcd))
    powers = 0.7 + 0.9 * drawn(qcd).uniform()
    for jet, ((first, end), power) in enumerate(zip(itertools.pairwise(qcd.offsets), powers, strict=True)):
        own = qcd.constituents[first:end].astype(float)
        pt = own[0, 0] * (own[:, 0] / own[0, 0]) ** power
        stays = pt >= 0.5
        expected = own[stays]
        expected[:, 0] = pt[stays] * own[:, 0].sum() / pt[stays].sum()
        np.testing.assert_allclose(changed[slice(*offsets[jet : jet + 2])], expected, rtol=2e-6)


@pytest.mark.parametrize("which", ["vector", "floor"])
def test_the_jets_keep_their_pt(qcd: Jets, which: str) -> None:
    changed, offsets = PtPower((0.9, 1.5), which)(qcd.constituents, qcd.offsets, drawn(qcd))
    np.testing.assert_allclose(vector_pt(changed, offsets), vector_pt(qcd.constituents, qcd.offsets), rtol=2e-6)
    if which == "floor":
        assert changed[:, 0].min() >= 0.5


def test_a_power_of_one_changes_nothing(qcd: Jets) -> None:
    changed, offsets = PtPower((1.0, 1.0), "floor")(qcd.constituents, qcd.offsets, drawn(qcd))
    np.testing.assert_array_equal(offsets, qcd.offsets)
    np.testing.assert_allclose(changed, qcd.constituents, rtol=1e-6)
