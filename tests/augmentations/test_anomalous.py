"""Anomalies made of background jets."""

from __future__ import annotations

import numpy as np
import pytest

from darkclr_ray.augmentations.anomalous import anomalous_jets, blind_jets
from darkclr_ray.jets.packed import vector_pt
from darkclr_ray.settings import InputSettings, ViewSettings
from darkclr_ray.testing import toy_jets


def test_anomalous_jets_lack_constituents_and_keep_their_pt():
    jets = toy_jets(400, seed=1, most=60)
    dropped = anomalous_jets(jets, ViewSettings(p_drop=0.4), InputSettings(), seed=1)
    hardest = jets.hardest(50)
    np.testing.assert_array_equal(dropped.ids, jets.ids)
    np.testing.assert_array_equal(dropped.kinematics, jets.kinematics)
    assert dropped.multiplicity.sum() / hardest.multiplicity.sum() == pytest.approx(0.6, abs=0.02)
    np.testing.assert_allclose(
        vector_pt(dropped.constituents, dropped.offsets), vector_pt(hardest.constituents, hardest.offsets), rtol=1e-5
    )
    # neither turned nor moved: what is left was there before
    before = {tuple(row) for row in hardest.constituents[:, 1:].tolist()}
    assert {tuple(row) for row in dropped.constituents[:, 1:].tolist()} <= before


def test_draws_are_those_of_the_seed_and_the_jet():
    jets = toy_jets(50, seed=1)
    first, again, other = (anomalous_jets(jets, ViewSettings(), InputSettings(), seed=seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first.constituents, again.constituents)
    assert not np.array_equal(first.offsets, other.offsets)
    some = anomalous_jets(jets.take(np.array([7, 3])), ViewSettings(), InputSettings(), seed=1)
    np.testing.assert_array_equal(some.constituents, first.take(np.array([7, 3])).constituents)


def test_a_range_of_probabilities_is_a_mixture():
    jets = toy_jets(500, seed=1, most=50)
    jets = jets.take(np.flatnonzero(jets.multiplicity > 30))
    views = ViewSettings(p_drop=(0.1, 0.9))
    left = anomalous_jets(jets, views, InputSettings(), seed=1).multiplicity / jets.multiplicity
    assert left.mean() == pytest.approx(0.5, abs=0.05)
    assert left.std() > 0.2


def test_anomalies_without_a_signal():
    jets = toy_jets(3000, seed=1, most=60)
    views = blind_jets(jets, InputSettings(constituents=30), (0.3, 0.5, 0.7), seed=1)
    assert sorted(views.ids) == sorted(jets.ids)
    order = np.argsort(views.ids)[np.argsort(np.argsort(jets.ids))]
    views = views.take(order)
    hardest = jets.hardest(30)
    kept = views.multiplicity / hardest.multiplicity
    long = hardest.multiplicity > 20
    for first, p_drop in enumerate((0.3, 0.5, 0.7)):
        assert abs(kept[first::3][long[first::3]].mean() - (1 - p_drop)) < 0.02
    np.testing.assert_allclose(
        vector_pt(views.constituents, views.offsets), vector_pt(hardest.constituents, hardest.offsets), rtol=1e-4
    )
    again = blind_jets(jets.take(order[:300]), InputSettings(constituents=30), (0.5,), seed=1)
    assert len(again) == 300
