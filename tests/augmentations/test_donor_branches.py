"""Donors after the loss of branches: whole branches, nothing rescaled, in the background's window, about a new axis."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import fastjet
import numpy as np
import pytest

from darkclr_ray.augmentations.donor_branches import TOLERANCE, donor_jets
from darkclr_ray.benchmarks.inputs import starter_background
from darkclr_ray.jets.folder import open_jets
from darkclr_ray.jets.generation.generate import Generation, generate, plan
from darkclr_ray.jets.packed import Jets, vector_pt
from darkclr_ray.settings import ViewSettings

VIEWS = ViewSettings(branch_sizes=(0.05, 0.2))


@pytest.fixture(scope="module")
def background() -> Jets:
    return starter_background().take(slice(0, 1000))


@pytest.fixture(scope="module")
def donors() -> Jets:
    """Background jets whose constituents all have 2.5 times their pT."""
    jets = starter_background().take(slice(1000, 1600))
    harder = jets.constituents * np.array([2.5, 1.0, 1.0], dtype=np.float32)
    kinematics = jets.kinematics * np.array([2.5, 1.0, 1.0, 2.5], dtype=np.float32)
    return replace(jets, constituents=harder, kinematics=kinematics)


def test_branches_are_lost_and_nothing_else(donors: Jets, background: Jets) -> None:
    views = donor_jets(donors, background, VIEWS, seed=1)
    assert len(views) > 0.2 * len(donors)
    assert np.isin(views.ids, donors.ids).all()
    assert len(np.unique(views.ids)) == len(views)
    place = {int(number): where for where, number in enumerate(donors.ids)}
    definition = fastjet.JetDefinition(fastjet.cambridge_algorithm, 0.05, fastjet.pt_scheme)
    for jet in range(0, len(views), 5):
        donor = donors.constituents[slice(*donors.offsets[place[int(views.ids[jet])] :][:2])]
        own = views.constituents[slice(*views.offsets[jet : jet + 2])]
        stays = np.isin(donor[:, 0], own[:, 0])
        np.testing.assert_array_equal(donor[stays, 0], own[:, 0])
        shift = (own - donor[stays])[:, 1:]
        np.testing.assert_allclose(shift, np.tile(shift[0], (len(own), 1)), atol=1e-6)
        particles = []
        for number, (pt, eta, phi) in enumerate(donor.astype(float)):
            particle = fastjet.PseudoJet()
            particle.reset_PtYPhiM(pt, eta, phi, 0.0)
            particle.set_user_index(number)
            particles.append(particle)
        sequence = fastjet.ClusterSequence(particles, definition)
        for cluster in sequence.inclusive_jets():  # at the smallest size: parts of any branch
            assert len({bool(stays[member.user_index()]) for member in cluster.constituents()}) == 1


def test_pt_axis_and_mass_are_those_of_what_is_left(donors: Jets, background: Jets) -> None:
    views = donor_jets(donors, background, VIEWS, seed=1)
    assert views.pt.min() >= background.pt.min()
    assert views.pt.max() <= background.pt.max()
    np.testing.assert_allclose(vector_pt(views.constituents, views.offsets), views.pt, rtol=1e-5)
    for jet in range(0, len(views), 10):
        pt, eta, phi = views.constituents[slice(*views.offsets[jet : jet + 2])].astype(float).T
        eta, phi = eta + views.kinematics[jet, 1], phi + views.kinematics[jet, 2]
        total = fastjet.PseudoJet(0.0, 0.0, 0.0, 0.0)
        for one in zip(pt, eta, phi, strict=True):
            particle = fastjet.PseudoJet()
            particle.reset_PtYPhiM(*one, 0.0)
            total += particle
        np.testing.assert_allclose(total.pt(), views.kinematics[jet, 0], rtol=1e-5)
        np.testing.assert_allclose(total.eta(), views.kinematics[jet, 1], atol=1e-5)
        np.testing.assert_allclose(total.phi_std(), views.kinematics[jet, 2], atol=1e-5)
        np.testing.assert_allclose(total.m(), views.kinematics[jet, 3], rtol=1e-3, atol=1e-2)


def test_a_donor_fares_the_same_in_any_company(donors: Jets, background: Jets) -> None:
    everyone = donor_jets(donors, background, VIEWS, seed=1)
    some = donor_jets(donors.take(np.arange(299, -1, -1)), background, VIEWS, seed=1)
    common = everyone.take(np.flatnonzero(np.isin(everyone.ids, donors.ids[:300])))
    order = np.argsort(some.ids), np.argsort(common.ids)
    for name in ("constituents", "offsets", "ids", "kinematics"):
        one, other = (getattr(jets.take(rows), name) for jets, rows in zip((some, common), order, strict=True))
        np.testing.assert_array_equal(one, other)
    with pytest.raises(AssertionError):
        np.testing.assert_array_equal(donor_jets(donors, background, VIEWS, seed=2).ids, everyone.ids)


def test_the_spectrum_is_nearly_that_of_the_background(donors: Jets, background: Jets) -> None:
    views = donor_jets(donors, background, VIEWS, seed=1)
    assert np.median(views.pt) == pytest.approx(np.median(background.pt), rel=TOLERANCE)


def test_donors_that_are_too_soft(background: Jets) -> None:
    soft = replace(background, kinematics=background.kinematics * np.float32(0.3))
    with pytest.raises(ValueError, match="none of 1000 donors reached a pT from 150 to 299 GeV by losing branches"):
        donor_jets(soft, background, VIEWS, seed=1)


def test_donors_are_generated(tmp_path: Path) -> None:
    generate(plan({"train": {"donors": 40}}, Generation(seed=3)), tmp_path)
    jets = open_jets(tmp_path).load("train", "donors")
    assert len(jets) == 40
    assert jets.pt.min() > 300.0
    assert jets.pt.max() < 1200.0
    assert (jets.pt > 500.0).sum() > 8  # a sample without weights would have 2
