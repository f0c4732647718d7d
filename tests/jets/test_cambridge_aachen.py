"""Cambridge/Aachen trees against FastJet, and what holds for any of them: company, cuts to the hardest, symmetries."""

from __future__ import annotations

import itertools

import fastjet
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from darkclr_ray.benchmarks.inputs import starter_background
from darkclr_ray.jets.cambridge_aachen import cluster_tree, primary_declusterings
from darkclr_ray.jets.packed import Jets
from darkclr_ray.testing.toys import toy_jets

BOUND = 100.0  # radius beyond any jet
SIZES = (0.03, 0.1, 0.2, 0.4)


def fastjet_sequence(jet: np.ndarray, scheme: int) -> fastjet.ClusterSequence:
    """Massless constituents (n, 3), each with its position as user index, clustered into one jet."""
    particles = []
    for place, (pt, eta, phi) in enumerate(jet.astype(float)):
        particle = fastjet.PseudoJet()
        particle.reset_PtYPhiM(pt, eta, phi, 0.0)
        particle.set_user_index(place)
        particles.append(particle)
    definition = fastjet.JetDefinition(fastjet.cambridge_algorithm, BOUND, scheme)
    return fastjet.ClusterSequence(particles, definition)


def fastjet_clusters(sequence: fastjet.ClusterSequence, count: int, size: float) -> list[int]:
    firsts = [0] * count
    for cluster in sequence.exclusive_jets((size / BOUND) ** 2):
        members = [member.user_index() for member in cluster.constituents()]
        for member in members:
            firsts[member] = min(members)
    return firsts


def fastjet_declusterings(sequence: fastjet.ClusterSequence) -> np.ndarray:
    """Softer pT, harder pT and Delta R of each splitting along the harder branch, (n, 3)."""
    branch, splittings = sequence.inclusive_jets()[0], []
    while True:
        harder, softer = fastjet.PseudoJet(), fastjet.PseudoJet()
        if not branch.has_parents(harder, softer):
            return np.array(splittings).reshape(-1, 3)
        if harder.pt() < softer.pt():
            harder, softer = softer, harder
        splittings.append((softer.pt(), harder.pt(), harder.delta_R(softer)))
        branch = harder


@pytest.fixture(scope="module")
def jets() -> Jets:
    return starter_background().take(slice(0, 200))


def test_clusters_and_splittings_are_those_of_fastjet(jets: Jets) -> None:
    tree = cluster_tree(jets.constituents, jets.offsets)
    primary = primary_declusterings(tree, jets.constituents, jets.offsets)
    ours = np.column_stack([primary.softer, primary.harder, primary.distances])
    clusters = {size: tree.clusters(jets.offsets, size) for size in SIZES}
    for number, (first, end) in enumerate(itertools.pairwise(jets.offsets)):
        sequence = fastjet_sequence(jets.constituents[first:end], fastjet.pt_scheme)
        for size in SIZES:
            assert (clusters[size][first:end] - first).tolist() == fastjet_clusters(sequence, end - first, size)
        own = ours[slice(*primary.offsets[number : number + 2])]
        np.testing.assert_allclose(own, fastjet_declusterings(sequence), rtol=1e-5)


def test_the_e_scheme_differs_little(jets: Jets) -> None:
    tree = cluster_tree(jets.constituents, jets.offsets)
    firsts = tree.clusters(jets.offsets, 0.2)
    differing = 0
    for first, end in itertools.pairwise(jets.offsets):
        sequence = fastjet_sequence(jets.constituents[first:end], fastjet.E_scheme)
        differing += (firsts[first:end] - first).tolist() != fastjet_clusters(sequence, end - first, 0.2)
    assert differing <= 0.02 * len(jets)


def test_one_size_a_jet(jets: Jets) -> None:
    tree = cluster_tree(jets.constituents, jets.offsets)
    sizes = np.random.default_rng(1).choice(SIZES, len(jets))
    together = tree.clusters(jets.offsets, sizes)
    for size in SIZES:
        rows = np.repeat(sizes == size, jets.multiplicity)
        np.testing.assert_array_equal(together[rows], tree.clusters(jets.offsets, size)[rows])


@settings(deadline=None, max_examples=30)
@given(count=st.integers(1, 40), seed=st.integers(0, 2**32 - 1), most=st.integers(1, 60))
def test_trees_are_trees_and_know_no_other_jets(count: int, seed: int, most: int) -> None:
    jets = toy_jets(count, seed, most, least=1)
    tree = cluster_tree(jets.constituents, jets.offsets)
    merges = tree.merges(jets.offsets)
    assert len(merges) == len(jets.constituents) - count
    for number, (first, end) in enumerate(itertools.pairwise(jets.offsets)):
        own = slice(first, end)
        alone = cluster_tree(jets.constituents[own], np.array([0, end - first]))
        for name in ("parents", "steps", "distances", "sizes"):
            np.testing.assert_array_equal(getattr(alone, name), getattr(tree, name)[own])
        assert sorted(tree.steps[own]) == list(range(-1, end - first - 1))
        assert (tree.parents[own][1:] < np.arange(1, end - first)).all()
        ordered = merges[first - number : end - number - 1]
        np.testing.assert_array_equal(tree.steps[ordered], np.arange(end - first - 1))
        np.testing.assert_array_equal(tree.sizes[ordered], np.maximum.accumulate(tree.distances[ordered]))


@settings(deadline=None, max_examples=20)
@given(angle=st.floats(0, 2 * np.pi), shift=st.tuples(st.floats(-2, 2), st.floats(-2, 2)), seed=st.integers(0, 1000))
def test_turned_and_shifted_jets_have_the_same_tree(angle: float, shift: tuple[float, float], seed: int) -> None:
    jets = toy_jets(20, seed)
    turned = jets.constituents.astype(float)
    turned[:, 1:] = turned[:, 1:] @ [[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]] + shift
    tree, other = (cluster_tree(values, jets.offsets) for values in (jets.constituents, turned))
    np.testing.assert_array_equal(tree.parents, other.parents)
    np.testing.assert_allclose(tree.distances, other.distances, rtol=1e-5)


def test_constituents_in_one_place_and_no_jets() -> None:
    constituents = np.tile(np.array([[2.0, 0.1, 0.1]], dtype=np.float32), (4, 1))
    tree = cluster_tree(constituents, np.array([0, 3, 4]))
    assert tree.clusters(np.array([0, 3, 4]), 0.0).tolist() == [0, 0, 0, 3]
    nothing = cluster_tree(constituents[:0], np.array([0]))
    assert len(nothing.parents) == 0
    assert primary_declusterings(nothing, constituents[:0], np.array([0])).offsets.tolist() == [0]
