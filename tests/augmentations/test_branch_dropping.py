"""Dropping of branches: clusters as FastJet finds them, one always left, the same from trees kept or made anew."""

from __future__ import annotations

import itertools

import fastjet
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from darkclr_ray.augmentations.anomalous import anomalous_jets
from darkclr_ray.augmentations.branch_dropping import BranchDropping
from darkclr_ray.augmentations.dropping import Dropping
from darkclr_ray.augmentations.rotation import Rotation
from darkclr_ray.augmentations.views import make_views, views_of_batches
from darkclr_ray.benchmarks.inputs import starter_background
from darkclr_ray.jets.packed import Jets
from darkclr_ray.randomness import KeyedRNG
from darkclr_ray.settings import InputSettings, ViewSettings
from darkclr_ray.testing.toys import toy_jets

VIEWS = ViewSettings(anomalous=("branch_dropping", "rotation", "translation"), p_drop=(0.1, 0.7), conserved_pt="floor")
INPUTS = InputSettings(constituents=20)


@pytest.fixture(scope="module")
def qcd() -> Jets:
    return starter_background().take(slice(0, 1500))


def drawn(jets: Jets, transformation: str = "branch_dropping") -> KeyedRNG:
    return KeyedRNG.keyed(jets.ids, seed=3, epoch=1, transformation=transformation, draw=2)


def clusters(jet: np.ndarray, size: float, scheme: int) -> list[list[int]]:
    """Positions of the constituents of each inclusive Cambridge/Aachen jet of radius ``size``."""
    particles = []
    for place, (pt, eta, phi) in enumerate(jet.astype(float)):
        particle = fastjet.PseudoJet()
        particle.reset_PtYPhiM(pt, eta, phi, 0.0)
        particle.set_user_index(place)
        particles.append(particle)
    sequence = fastjet.ClusterSequence(
        particles, fastjet.JetDefinition(fastjet.cambridge_algorithm, float(size), scheme)
    )
    return [sorted(member.user_index() for member in jet.constituents()) for jet in sequence.inclusive_jets()]


def test_branches_are_those_of_fastjet(qcd: Jets) -> None:
    """Jet by jet: every cluster at the size that the jet drew goes or stays by the number of its hardest."""
    few = qcd.take(slice(0, 300))
    draws = drawn(few)
    left, offsets = BranchDropping(0.8)(few.constituents, few.offsets, draws)
    sizes, numbers = 0.03 * (0.2 / 0.03) ** draws.uniform(number=1), draws.uniform(few.offsets)
    rescued = 0
    for jet, size in enumerate(sizes):
        rows = slice(*few.offsets[jet : jet + 2])
        branches = clusters(few.constituents[rows], size, fastjet.pt_scheme)
        number = {branch[0]: numbers[rows][branch[0]] for branch in branches}
        kept = [branch for branch in branches if number[branch[0]] >= np.float32(0.8)]
        if not kept:
            kept = [max(branches, key=lambda branch: number[branch[0]])]
            rescued += 1
        expected = few.constituents[rows][sorted(place for branch in kept for place in branch)]
        np.testing.assert_array_equal(left[slice(*offsets[jet : jet + 2]), 1:], expected[:, 1:])
    assert rescued > 5


def test_distributions_are_those_of_fastjet(qcd: Jets) -> None:
    """How much is left, against a dropping written with FastJet's own E scheme and numpy's random numbers."""
    random = np.random.default_rng(1)
    counts, shares = [], []
    for first, end in zip(qcd.offsets[:-1], qcd.offsets[1:], strict=True):
        jet = qcd.constituents[first:end]
        branches = clusters(jet, np.exp(random.uniform(np.log(0.03), np.log(0.2))), fastjet.E_scheme)
        stays = random.uniform(size=len(branches)) >= random.uniform(0.1, 0.7)
        stays[random.integers(len(branches))] |= not stays.any()
        rows = np.concatenate([branch for branch, kept in zip(branches, stays, strict=True) if kept])
        counts.append(len(rows) / len(jet))
        shares.append(jet[rows, 0].sum() / jet[:, 0].sum())
    left, offsets = BranchDropping((0.1, 0.7), "vector")(qcd.constituents, qcd.offsets, drawn(qcd))
    assert stats.ks_2samp(np.diff(offsets) / qcd.multiplicity, counts).pvalue > 1e-3
    own = []
    for jet in range(len(qcd)):
        before = qcd.constituents[slice(*qcd.offsets[jet : jet + 2])]
        stays = np.isin(before[:, 1], left[slice(*offsets[jet : jet + 2]), 1])
        own.append(before[stays, 0].sum() / before[:, 0].sum())
    assert stats.ks_2samp(own, shares).pvalue > 1e-3


def test_independent_dropping_is_the_limit_of_small_sizes(qcd: Jets) -> None:
    draws = drawn(qcd)
    small = BranchDropping((0.2, 0.6), "floor", sizes=(1e-7, 1e-7))(qcd.constituents, qcd.offsets, draws)
    plain = Dropping((0.2, 0.6), "floor")(qcd.constituents, qcd.offsets, draws)
    for one, other in zip(small, plain, strict=True):
        np.testing.assert_array_equal(one, other)


@given(seed=st.integers(0, 2**32 - 1), p_drop=st.floats(0.0, 0.99), size=st.floats(0.01, 3.0))
def test_one_branch_always_stays(seed: int, p_drop: float, size: float) -> None:
    jets = toy_jets(30, seed, least=1)
    left, offsets = BranchDropping(p_drop, "floor", sizes=(size, size))(jets.constituents, jets.offsets, drawn(jets))
    assert np.diff(offsets).min() >= 1
    branches = jets.tree.clusters(jets.offsets, size)
    for jet in range(len(jets)):
        own = slice(*jets.offsets[jet : jet + 2])
        stays = np.isin(jets.constituents[own, 1], left[slice(*offsets[jet : jet + 2]), 1])
        for branch in np.unique(branches[own]):
            assert len(set(stays[branches[own] == branch])) == 1


@given(seed=st.integers(0, 10_000))
def test_a_turned_jet_loses_the_same_branches(seed: int) -> None:
    jets = toy_jets(20, seed)
    turned, _ = Rotation()(jets.constituents, jets.offsets, drawn(jets, "rotation"))
    dropping, draws = BranchDropping(0.5, "scalar"), drawn(jets)
    left, offsets = dropping(jets.constituents, jets.offsets, draws)
    other, others = dropping(turned, jets.offsets, draws)
    np.testing.assert_array_equal(offsets, others)
    np.testing.assert_allclose(left[:, 0], other[:, 0], rtol=1e-6)


def test_trees_kept_and_made_anew_give_the_same_views(qcd: Jets) -> None:
    """Also beyond N_c: a tree is that of the whole jet, then cut to the hardest."""
    batches = np.random.default_rng(2).permutation(1500).reshape(15, 100)
    fresh, kept = qcd.take(np.arange(1500)), qcd.take(np.arange(1500))
    assert kept.tree is kept.tree
    how = {"seed": 1, "epoch": 2, "first_step": 0}
    for one, other in zip(
        views_of_batches(fresh, batches, VIEWS, INPUTS, **how),
        views_of_batches(kept, batches, VIEWS, INPUTS, **how),
        strict=True,
    ):
        alone = make_views(fresh.take(batches[one.step]), VIEWS, INPUTS, seed=1, epoch=2)
        for name in ("constituents", "offsets", "ids"):
            np.testing.assert_array_equal(getattr(one, name), getattr(other, name))
            np.testing.assert_array_equal(getattr(one, name), getattr(alone, name))
    assert "tree" not in vars(fresh)


def test_anomalous_jets_lose_branches_of_the_whole_jet(qcd: Jets) -> None:
    """The tree has all constituents, though the jets are cut to the hardest."""
    inputs = InputSettings(constituents=10)
    anomalous = anomalous_jets(qcd, VIEWS.model_copy(update={"anomalous": ("branch_dropping",)}), inputs, seed=1)
    assert anomalous.multiplicity.max() == 10
    smallest = qcd.tree.clusters(qcd.offsets, 0.03)
    shared = 0
    for jet, (first, end) in enumerate(itertools.pairwise(qcd.offsets)):
        branches = smallest[first : min(end, first + 10)]
        left = anomalous.constituents[slice(*anomalous.offsets[jet : jet + 2])]
        stays = np.isin(qcd.constituents[first : first + len(branches), 1], left[:, 1])
        for branch in np.unique(branches):
            assert len(set(stays[branches == branch])) == 1
        shared += len(np.unique(branches)) < len(branches)
    assert shared > 100


def test_sizes_run_forwards() -> None:
    with pytest.raises(ValueError, match=r"branch_sizes: the range \(0.2, 0.1\) runs backwards"):
        ViewSettings(branch_sizes=(0.2, 0.1))
