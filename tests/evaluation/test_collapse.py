"""Measures of a collapsed encoder against closed forms and slow versions by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest

from darkclr_ray.evaluation.collapse import LARGEST_SHARE, effective_rank, measure_collapse

RANDOM = np.random.default_rng(1)


def test_effective_rank_is_the_entropy_of_the_principal_components() -> None:
    z = RANDOM.normal(size=(500, 6)) @ RANDOM.normal(size=(6, 6))
    singular = np.linalg.svd(z - z.mean(0), compute_uv=False)
    shares = [value**2 / np.sum(singular**2) for value in singular]
    assert effective_rank(z) == pytest.approx(math.exp(-sum(p * math.log(p) for p in shares)))


@pytest.mark.parametrize("dimensions", [1, 3, 8])
def test_equal_variances_count_as_many(dimensions: int) -> None:
    """Rotation, shift and scale change nothing."""
    rotation = np.linalg.qr(RANDOM.normal(size=(8, 8)))[0][:dimensions]
    z = 7.0 + 3.0 * np.concatenate([np.eye(dimensions), -np.eye(dimensions)]) @ rotation
    assert effective_rank(z) == pytest.approx(dimensions)


def test_a_constant_has_rank_one() -> None:
    assert effective_rank(np.full((10, 4), 3.0)) == 1.0


def test_one_outlier_does_not_hide_a_collapse() -> None:
    """A root mean square spread would be carried by it."""
    z = np.tile(RANDOM.normal(size=16).astype(np.float32), (1000, 1))
    z[0] *= 1e4
    measured = measure_collapse(z)
    assert measured.share_at_median == pytest.approx(0.999)
    assert measured.median_distance == 0.0
    assert measured.collapsed


def test_zero_representations_are_collapsed() -> None:
    assert measure_collapse(np.zeros((5, 3))).collapsed


def test_measures_by_hand() -> None:
    z = RANDOM.normal(1.0, 1e-3, size=(400, 3)).astype(np.float32)
    median = [float(np.median(z[:, axis].astype(np.float64))) for axis in range(3)]
    norm = math.sqrt(sum(value**2 for value in median))
    distances = [math.dist(row, median) / norm for row in z.astype(np.float64)]
    measured = measure_collapse(z)
    assert measured.share_at_median == pytest.approx(sum(d < 1e-3 for d in distances) / 400)
    assert measured.median_distance == pytest.approx(float(np.median(distances)))
    assert 0.0 < measured.share_at_median < 1.0


@pytest.mark.parametrize(("alike", "collapsed"), [(0.05, False), (0.2, True), (0.65, True)])
def test_a_partial_collapse_counts(alike: float, collapsed: bool) -> None:
    z = RANDOM.normal(size=(2000, 5)) + 3.0
    z[: round(alike * 2000)] = np.median(z, axis=0)
    assert measure_collapse(z).collapsed is collapsed
    assert measure_collapse(z).to_json()["collapsed"] is collapsed
    assert 0.05 < LARGEST_SHARE < 0.2


def test_no_jets_are_refused() -> None:
    with pytest.raises(ValueError, match="at least one background jet"):
        measure_collapse(np.zeros((0, 3)))
