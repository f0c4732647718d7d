"""Principal components against the singular value decomposition, and a spectrum that is known."""

from __future__ import annotations

import numpy as np
import pytest

from darkclr_ray.evaluation.collapse import effective_rank
from darkclr_ray.evaluation.pca import principal_components


def test_components_are_those_of_the_singular_value_decomposition() -> None:
    random = np.random.default_rng(1)
    z = (random.normal(size=(400, 6)) @ random.normal(size=(6, 6)) + 5.0).astype(np.float32)
    found = principal_components(z, 3)
    centred = z.astype(np.float64) - z.astype(np.float64).mean(0)
    _, values, vectors = np.linalg.svd(centred, full_matrices=False)
    np.testing.assert_allclose(abs((found.directions * vectors[:3]).sum(1)), 1.0, rtol=1e-6)
    np.testing.assert_allclose(found.shares, values[:3] ** 2 / (values**2).sum(), rtol=1e-6)
    np.testing.assert_allclose(abs(found.project(z)), abs(centred @ vectors[:3].T), rtol=1e-4, atol=1e-4)
    assert (found.directions[range(3), abs(found.directions).argmax(1)] > 0).all()


def test_a_rotation_does_not_change_distances_and_shares() -> None:
    random = np.random.default_rng(2)
    z = random.normal(size=(200, 4)) * [4.0, 2.0, 1.0, 0.5]
    turn, _ = np.linalg.qr(random.normal(size=(4, 4)))
    before, after = principal_components(z), principal_components(z @ turn)
    np.testing.assert_allclose(before.shares, after.shares)
    np.testing.assert_allclose(abs(before.project(z)), abs(after.project(z @ turn)), atol=1e-9)


def test_effective_rank_of_a_known_spectrum() -> None:
    """Variances 1/2, 1/4, 1/4: the entropy is 1.5 ln 2."""
    z = np.concatenate([np.diag(np.sqrt([2.0, 1.0, 1.0])), -np.diag(np.sqrt([2.0, 1.0, 1.0]))])
    assert effective_rank(z) == pytest.approx(2**1.5)
    np.testing.assert_allclose(principal_components(z).shares, [0.5, 0.25])


def test_nothing_varies() -> None:
    found = principal_components(np.ones((5, 3)))
    assert found.shares.tolist() == [0.0, 0.0]
    assert not found.project(np.ones((2, 3))).any()


@pytest.mark.parametrize("shape", [(0, 3), (5, 1)])
def test_too_little_is_refused(shape: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match="expected at least one"):
        principal_components(np.zeros(shape))
