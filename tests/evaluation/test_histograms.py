"""Histograms and profiles against numpy, scipy and closed forms."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binned_statistic

from darkclr_ray.evaluation.histograms import common_edges, histogram, profile
from darkclr_ray.evaluation.scales import ScoreScale, central_spread


def test_a_histogram_is_that_of_numpy_with_binomial_errors() -> None:
    values = np.random.default_rng(1).normal(size=5000)
    edges = common_edges([values], 20, tail=0.01)
    found = histogram(values, edges)
    counts, _ = np.histogram(values, bins=20, range=(np.quantile(values, 0.01), np.quantile(values, 0.99)))
    np.testing.assert_allclose(found.share * len(values), counts)
    assert found.outside == pytest.approx(0.02, abs=1 / len(values))
    assert found.share.sum() + found.outside == pytest.approx(1.0)
    assert found.error[0] == pytest.approx(np.sqrt(counts[0] * (1 - counts[0] / 5000)) / 5000)


def test_errors_cover_repeated_samples() -> None:
    """The spread of the share of one bin over samples is the error that each sample gives."""
    random, edges = np.random.default_rng(2), np.array([0.0, 0.3, 1.0])
    found = [histogram(random.random(200), edges) for _ in range(2000)]
    assert np.std([one.share[0] for one in found]) == pytest.approx(np.sqrt(0.3 * 0.7 / 200), rel=0.05)
    assert np.mean([one.error[0] for one in found]) == pytest.approx(np.sqrt(0.3 * 0.7 / 200), rel=0.05)


@pytest.mark.parametrize(("bins", "width"), [(100, 1), (30, 3), (7, 12)])
def test_bins_of_integers_hold_equally_many_integers(bins: int, width: int) -> None:
    values = np.arange(3, 81)
    edges = common_edges([values, [10]], bins)
    assert set(np.diff(edges)) == {width}
    assert len(edges) - 1 <= bins
    assert edges[0] == 2.5
    assert edges[-1] >= 80.5
    assert histogram(values, edges).outside == pytest.approx(0.0)


def test_all_samples_are_within_common_edges() -> None:
    edges = common_edges([[1.5, 2.0], [-3.25], [9.0]], 5)
    assert (edges[0], edges[-1], len(edges)) == (-3.25, 9.0, 6)
    np.testing.assert_allclose(common_edges([[2.5, 2.5]], 2), [2.0, 2.5, 3.0])  # one value
    with pytest.raises(ValueError, match="no samples"):
        common_edges([], 5)


def test_a_profile_is_the_mean_of_each_bin_with_its_standard_error() -> None:
    random = np.random.default_rng(3)
    x = random.uniform(0, 10, 3000)
    y = 2 * x + random.normal(size=3000)
    edges = np.linspace(0, 10, 6)
    found = profile(x, y, edges)
    np.testing.assert_allclose(found.mean, binned_statistic(x, y, "mean", edges).statistic)
    deviations = binned_statistic(x, y, lambda part: np.std(part, ddof=1) / np.sqrt(len(part)), edges).statistic
    np.testing.assert_allclose(found.error, deviations)
    np.testing.assert_allclose(found.centres, [1, 3, 5, 7, 9])


def test_a_profile_leaves_out_bins_with_few_values_and_values_outside() -> None:
    found = profile([0.5, 0.6, 1.5, 7.0, -1.0], [1.0, 2.0, 3.0, 99.0, 99.0], np.array([0.0, 1.0, 2.0]), fewest=2)
    assert found.centres.tolist() == [0.5]
    assert found.mean.tolist() == [1.5]
    with pytest.raises(ValueError, match="one of each"):
        profile([1.0, 2.0], [1.0], np.array([0.0, 3.0]))


def test_a_scale_keeps_the_order_and_can_be_inverted() -> None:
    scores = np.random.default_rng(4).lognormal(0.0, 3.0, 1000)
    scale = ScoreScale.of([scores])
    assert scale.log
    assert (np.argsort(scale(scores)) == np.argsort(scores)).all()
    np.testing.assert_allclose(scale.inverse(scale(scores)), scores)
    plain = ScoreScale.of([scores - 1.0])  # some are negative
    np.testing.assert_array_equal(plain.inverse(plain(scores)), scores)


def test_the_central_spread_ignores_outliers() -> None:
    values = np.random.default_rng(5).normal(size=20000)
    assert central_spread(values) == pytest.approx(np.std(values), rel=0.03)
    assert central_spread([*values, 1e9]) == pytest.approx(central_spread(values), rel=1e-3)
    assert central_spread([2.0, 2.0]) == 1.0
