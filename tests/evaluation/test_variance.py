import json

import numpy as np
import pytest
from scipy.stats import norm

from darkclr_ray.evaluation.variance import rejection_variance, variance_components

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


def ensemble(generator, encoder, autoencoder, jets=(6000, 2000), shape=(6, 3)):
    """Arguments of `rejection_variance` for Gaussian scores whose separation differs from network to network."""
    separation = 1.0 + encoder * generator.normal(size=(shape[0], 1, 1))
    separation = separation + autoencoder * generator.normal(size=(*shape, 1))
    background, signal = (np.broadcast_to(generator.normal(size=count), (*shape, count)) for count in jets)
    pt = [generator.uniform(150.0, 300.0, count) for count in jets]
    return separation, [background, signal + separation, *pt, np.arange(jets[0]), np.arange(jets[1])]


def test_an_ensemble_of_known_rejections():
    """The rejections follow from the separations, and so do their components; the jets are common to all networks."""
    separation, arguments = ensemble(np.random.default_rng(1), 0.2, 0.1)
    found = rejection_variance(*arguments, seed=1)
    truth = -norm.logsf(separation + norm.isf(0.2))  # (6, 3, 1)
    expected = variance_components(np.repeat(truth, 2, axis=2))
    for side in found.values():
        assert side.mean == pytest.approx(expected.mean, abs=0.15)
        assert side.encoder == pytest.approx(expected.encoder, rel=0.4)
        assert side.autoencoder == pytest.approx(expected.autoencoder, rel=0.6)


def test_identical_networks_differ_in_nothing_but_the_jets():
    """ln eps_B fluctuates with the survivors and with the cut, a quantile of the signal: both errors are known."""
    found = []
    for seed in range(80):
        _, arguments = ensemble(np.random.default_rng(seed), 0.0, 0.0, (8000, 2000), (2, 2))
        found.append(rejection_variance(*arguments, seed=seed))
    cut = 1.0 + norm.isf(0.2)
    eps_b = norm.sf(cut)
    slope, cut_error = norm.pdf(cut) / eps_b, np.sqrt(0.2 * 0.8 / 2000) / norm.pdf(cut - 1.0)
    expected = (1 - eps_b) / (8000 * eps_b) + (slope * cut_error) ** 2
    # three degrees of freedom each: the mean of 80 is known to 9%
    assert np.mean([one["raw"].test_sample for one in found]) == pytest.approx(expected, rel=0.3)
    assert found[0]["raw"].shares == {
        "encoder": 0.0,
        "autoencoder": 0.0,
        "test_sample": pytest.approx(1.0),
        "interaction": 0.0,
    }
