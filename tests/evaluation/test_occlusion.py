"""Occlusion of jets against scores whose change is known, and four-vectors by hand."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from darkclr_ray.evaluation.occlusion import branches, occlusion, without_each
from darkclr_ray.jets.packed import Jets


@pytest.fixture
def jet(toy_jets: Callable[..., Jets]) -> Jets:
    return toy_jets(20, seed=3, most=30)[7]


def test_each_copy_lacks_one_constituent_and_has_the_momentum_of_the_others(jet: Jets) -> None:
    count = len(jet.constituents)
    found = without_each(jet, np.arange(count))
    assert found.multiplicity.tolist() == [count] + [count - 1] * count
    pt, eta, phi = (jet.constituents.astype(float) + np.array([0.0, *jet.kinematics[0, 1:3]])).T
    for left in range(count):
        kept = np.arange(count) != left
        momentum = [(pt * np.cos(phi))[kept].sum(), (pt * np.sin(phi))[kept].sum(), (pt * np.sinh(eta))[kept].sum()]
        energy = (pt * np.cosh(eta))[kept].sum()
        assert found.pt[1 + left] == pytest.approx(np.hypot(*momentum[:2]), rel=1e-5)
        mass = np.sqrt(max(energy**2 - np.dot(momentum, momentum), 0.0))
        assert found.mass[1 + left] == pytest.approx(mass, rel=1e-3, abs=0.05)
        axis = np.arcsinh(momentum[2] / np.hypot(*momentum[:2]))
        assert found.kinematics[1 + left, 1] == pytest.approx(axis, abs=1e-4)


def test_changes_of_known_scores(jet: Jets) -> None:
    """The multiplicity falls by the size of a part, the sum of constituents' pT by the pT of a part."""
    parts = branches(jet, 0.2)
    sizes = np.bincount(parts)
    assert len(sizes) > 1
    np.testing.assert_array_equal(occlusion(lambda jets: jets.multiplicity.astype(float), jet, parts), -sizes)

    def scalar_sum(jets: Jets) -> np.ndarray:
        return np.add.reduceat(jets.constituents[:, 0].astype(float), jets.offsets[:-1])

    changes = occlusion(scalar_sum, jet, parts)
    np.testing.assert_allclose(changes, -np.bincount(parts, jet.constituents[:, 0]), rtol=1e-4)


def test_branches_by_size(jet: Jets) -> None:
    """A size of 0 separates all constituents; a large one separates none; between, clusters lie within each other."""
    assert len(set(branches(jet, 0.0).tolist())) == len(jet.constituents)
    assert branches(jet, 100.0).max() == 0
    fine, coarse = branches(jet, 0.1), branches(jet, 0.4)
    assert len(set(zip(fine.tolist(), coarse.tolist(), strict=True))) == fine.max() + 1


def test_what_cannot_be_removed_is_refused(jet: Jets) -> None:
    with pytest.raises(ValueError, match="no constituents"):
        without_each(jet, np.zeros(len(jet.constituents), dtype=int))
    with pytest.raises(ValueError, match="expected one"):
        without_each(Jets.concatenate([jet, jet]), np.zeros(2, dtype=int))
