import json

import numpy as np
import pytest

from darkclr_ray.evaluation.variance import variance_components

NAMES = ("encoder", "autoencoder", "test_sample", "interaction")


def simulated(generator, encoder, autoencoder, part, rest, shape=(5, 3, 4)):
    i, j, k = shape
    return (
        7.0
        + encoder * generator.normal(size=(i, 1, 1))
        + autoencoder * generator.normal(size=(i, j, 1))
        + part * generator.normal(size=(1, 1, k))
        + rest * generator.normal(size=shape)
    )


@pytest.mark.parametrize("widths", [(1.0, 0.5, 0.8, 0.3), (0.0, 0.0, 0.0, 1.0), (0.0, 1.0, 0.0, 0.2)])
def test_estimators_are_unbiased(widths):
    generator = np.random.default_rng(1)
    found = [variance_components(simulated(generator, *widths)) for _ in range(600)]
    truth = np.array(widths) ** 2 / [1, 1, 4, 4]
    for name, expected in zip(NAMES, truth, strict=True):
        values = [getattr(one, name) for one in found]
        assert np.mean(values) == pytest.approx(expected, abs=4 * np.std(values) / np.sqrt(600) + 1e-12), name
    assert np.mean([one.mean for one in found]) == pytest.approx(7.0, abs=0.15)


def test_mean_squares_by_hand():
    """Two encoders with two autoencoders on two parts, with numbers for a pencil."""
    results = np.array([[[1.0, 3.0], [2.0, 4.0]], [[5.0, 7.0], [8.0, 10.0]]])
    found = variance_components(results)
    # networks 2, 3, 6, 9; encoders 2.5, 7.5; parts 4, 6; nothing left over
    between_networks = 2 * (2 * 0.5**2 + 2 * 1.5**2) / 2
    assert found.interaction == 0.0
    assert found.autoencoder == pytest.approx(between_networks / 2)
    assert found.encoder == pytest.approx((4 * 2 * 2.5**2 - between_networks) / 4)
    assert found.test_sample == pytest.approx(4 * 2 * 1.0**2 / 4 / 2)
    assert found.mean == 5.0
    assert found.degrees_of_freedom == (1, 2, 1, 3)
    assert sum(found.shares.values()) == pytest.approx(1.0)
    assert json.loads(json.dumps(found.to_json()))["shares"]["interaction"] == 0.0


def test_negative_components_have_no_share():
    results = simulated(np.random.default_rng(3), 0.0, 1.0, 0.0, 0.0, (2, 6, 2))
    found = variance_components(results - results.mean(axis=(1, 2), keepdims=True))
    assert found.encoder < 0.0
    assert found.shares["encoder"] == 0.0
    assert found.shares["autoencoder"] == pytest.approx(1.0)


def test_identical_results_have_no_variance():
    assert set(variance_components(np.ones((2, 2, 2))).shares.values()) == {0.0}


@pytest.mark.parametrize("results", [np.ones((1, 2, 2)), np.ones((2, 2)), np.full((2, 2, 2), np.nan)])
def test_impossible_results_are_refused(results):
    with pytest.raises(ValueError, match="results of shape"):
        variance_components(results)
