"""Families of views: each changes what it says, and the views of signal-blind selection are all of them in turn."""

from __future__ import annotations

import numpy as np
import pytest

from darkclr_ray.augmentations import registry
from darkclr_ray.augmentations.families import DONORS, FAMILIES, blind_views, family_jets
from darkclr_ray.jets.packed import vector_pt
from darkclr_ray.settings import InputSettings, SearchSettings
from darkclr_ray.testing import toy_jets

INPUTS = InputSettings(constituents=30)


@pytest.mark.parametrize("name", sorted(set(FAMILIES) - {DONORS, "angular_shift"}))
def test_views_have_the_pt_of_their_jets(name):
    """Every registered transformation is named as it is registered."""
    jets = toy_jets(200, seed=1)
    views = family_jets(name, jets, seed=1, purpose="test")
    registry.check(FAMILIES[name])
    np.testing.assert_allclose(
        vector_pt(views.constituents, views.offsets), vector_pt(jets.constituents, jets.offsets), rtol=0.02
    )
    assert (views.multiplicity <= jets.multiplicity).all()


def test_blind_views_are_all_families_and_probabilities_in_turn():
    jets = toy_jets(600, seed=1, most=60)
    families, p_drop = SearchSettings().blind_families, (0.2, 0.5)
    views = blind_views(jets, INPUTS, families, p_drop, seed=1)
    np.testing.assert_array_equal(np.sort(views.ids), np.sort(jets.ids))
    views = views.take(np.argsort(views.ids)[np.argsort(np.argsort(jets.ids))])
    kept = views.multiplicity / jets.hardest(30).multiplicity
    assert kept[::2].mean() > kept[1::2].mean() + 0.15
    second = np.arange(2, 600, 6)
    alone = family_jets(families[1], jets.take(second), seed=1, purpose="signal-blind", p_drop=0.2, inputs=INPUTS)
    np.testing.assert_array_equal(views.take(second).constituents, alone.constituents)
    with pytest.raises(ValueError, match="are made from other jets than the background"):
        blind_views(jets, INPUTS, (DONORS,), p_drop, seed=1)
