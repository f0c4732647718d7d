"""Mixtures: each jet goes to one family, as often as the weights say, and fares there as it would alone."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from scipy import stats

from darkclr_ray.augmentations import registry
from darkclr_ray.augmentations.mixture import Mixture
from darkclr_ray.augmentations.views import make_views, views_of_batches
from darkclr_ray.jets.packed import Jets
from darkclr_ray.randomness import KeyedRNG
from darkclr_ray.settings import InputSettings, ViewSettings

INPUTS = InputSettings()
VIEWS = ViewSettings(
    anomalous=("mixture", "rotation"),
    mixture={"dropping": 1, "branch_dropping": 2, "pt_power": 0.5},
    conserved_pt="floor",
)


def drawn(jets: Jets) -> KeyedRNG:
    return KeyedRNG.keyed(jets.ids, seed=1, epoch=0, transformation="mixture", draw=2)


def test_each_jet_is_one_of_the_families(toy_jets: Callable[..., Jets]) -> None:
    jets = toy_jets(3000)
    packed = np.asfortranarray(jets.constituents), jets.offsets
    mixed, offsets = Mixture.from_settings(VIEWS, INPUTS)(*packed, drawn(jets))
    alone = [registry.find(name).from_settings(VIEWS, INPUTS)(*packed, drawn(jets)) for name, _ in VIEWS.mixture]
    chosen = []
    for jet in range(len(jets)):
        own = mixed[slice(*offsets[jet : jet + 2])]
        same = [np.array_equal(own, other[slice(*ends[jet : jet + 2])]) for other, ends in alone]
        assert any(same)
        if sum(same) == 1:  # a jet of few constituents may look the same in two families
            chosen.append(same.index(True))
    long = jets.multiplicity > 12
    assert len(chosen) > 0.8 * long.sum()
    counts = np.bincount(chosen, minlength=3)
    assert stats.chisquare(counts, len(chosen) * np.array([1, 2, 0.5]) / 3.5).pvalue > 1e-4


def test_a_mixture_of_one_is_that_one(toy_jets: Callable[..., Jets]) -> None:
    jets = toy_jets(200)
    one = ViewSettings(mixture={"dropping": 3.0})
    mixed = Mixture.from_settings(one, INPUTS)(jets.constituents, jets.offsets, drawn(jets))
    alone = registry.find("dropping").from_settings(one, INPUTS)(jets.constituents, jets.offsets, drawn(jets))
    for array, other in zip(mixed, alone, strict=True):
        np.testing.assert_array_equal(array, other)
    assert not registry.takes_tree(Mixture.from_settings(one, INPUTS))


def test_views_do_not_depend_on_batches_or_kept_trees(toy_jets: Callable[..., Jets]) -> None:
    jets, kept = toy_jets(500), toy_jets(500)
    assert len(kept.tree.parents) == len(kept.constituents)
    batches = np.random.default_rng(2).permutation(500).reshape(5, 100)
    for made in views_of_batches(kept, batches, VIEWS, INPUTS, seed=1, epoch=2, first_step=0):
        alone = make_views(jets.take(batches[made.step]), VIEWS, INPUTS, seed=1, epoch=2)
        np.testing.assert_array_equal(made.constituents, alone.constituents)
        np.testing.assert_array_equal(made.offsets, alone.offsets)


def test_settings() -> None:
    assert VIEWS.mixture == (("dropping", 1.0), ("branch_dropping", 2.0), ("pt_power", 0.5))
    assert ViewSettings.model_validate(VIEWS.model_dump(mode="json")) == VIEWS
    for wrong, words in (
        ({"mixture": 1.0}, "a mixture cannot contain itself"),
        ((("dropping", 1.0), ("dropping", 1.0)), "is there twice"),
        ({"dropping": 0.0}, "greater than 0"),
        ({}, "at least 1"),
    ):
        with pytest.raises(ValueError, match=words):
            ViewSettings(mixture=wrong)
    registry.check(ViewSettings(mixture={"droping": 1.0}))
    with pytest.raises(ValueError, match=r"views.mixture = droping: unknown augmentation .* did you mean 'dropping'"):
        registry.check(ViewSettings(anomalous=("mixture",), mixture={"droping": 1.0}))
