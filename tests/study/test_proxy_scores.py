"""Scores before there is an autoencoder, against scikit-learn."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.decomposition import PCA
from sklearn.preprocessing import StandardScaler

from darkclr_ray.study.proxy_scores import LinearAutoencoder, Norm

RANDOM = np.random.default_rng(1)
WIDTHS, MEANS = np.array([3.0, 1.0, 0.01, 1.0, 0.5, 0.0]), np.array([0.0, 5.0, 100.0, -1.0, 0.0, 123.4])
"""The third feature is narrow and far from zero, the last is constant."""


def correlated(count: int) -> np.ndarray:
    factors = RANDOM.normal(size=(count, 2)) @ RANDOM.normal(size=(2, 6)) + 0.3 * RANDOM.normal(size=(count, 6))
    return (MEANS + WIDTHS * factors).astype(np.float32)


@pytest.mark.parametrize("components", [1, 2, 5])
def test_distances_from_the_principal_plane_are_scikit_learns(components: int) -> None:
    background, others = correlated(5000), correlated(300)
    scaler = StandardScaler().fit(background.astype(np.float64))
    plane = PCA(components, svd_solver="full").fit(scaler.transform(background.astype(np.float64)))
    for z in (background, others):
        scaled = scaler.transform(z.astype(np.float64))
        expected = np.linalg.norm(scaled - plane.inverse_transform(plane.transform(scaled)), axis=1)
        np.testing.assert_allclose(LinearAutoencoder(background, components)(z), expected, rtol=1e-6, atol=1e-9)


def test_norm() -> None:
    """In double precision: the square of a float32 may be none."""
    np.testing.assert_allclose(Norm()(np.array([[3e25, 4e25], [0.0, 0.0]], dtype=np.float32)), [5e25, 0.0], rtol=1e-6)
