import numpy as np
import pytest

from darkclr_ray.evaluation.bootstrap import percentiles, resampled


def draws(background, signal, seed=1, replicas=400):
    pairs = list(resampled(background, signal, seed=seed, replicas=replicas))
    return np.array([pair[0] for pair in pairs]), np.array([pair[1] for pair in pairs])


def test_jets_of_an_event_come_and_go_together():
    events = np.array([9, 4, 9, 7, 4, 1])
    background, _ = draws(events, [0])
    np.testing.assert_array_equal(background[:, 0], background[:, 2])
    np.testing.assert_array_equal(background[:, 1], background[:, 4])
    of_events = background[:, [0, 1, 3, 5]]
    assert np.all(of_events.sum(axis=1) == 4)
    # multinomial: mean 1, variance 1 - 1/4, covariance -1/4
    np.testing.assert_allclose(of_events.mean(axis=0), 1.0, atol=4 * np.sqrt(0.75 / 400))
    np.testing.assert_allclose(np.cov(of_events.T), np.eye(4) - 0.25, atol=0.2)


def test_background_and_signal_of_one_number_are_different_events():
    background, signal = draws(np.arange(50), np.arange(50))
    assert abs(np.corrcoef(background.ravel(), signal.ravel())[0, 1]) < 0.03


def test_views_come_and_go_with_their_jets():
    """Views of half of the jets: the spread of a difference of means is that over fresh samples."""
    random = np.random.default_rng(1)

    def difference():
        x = random.normal(size=200)
        return x, x[:100] + 0.3 * random.normal(size=100)

    fresh = np.std([np.subtract(*map(np.mean, difference())) for _ in range(2000)])
    x, views = difference()
    spread = {}
    for shared in (True, False):
        drawn = resampled(np.arange(200), np.arange(100), seed=1, replicas=2000, shared=shared)
        spread[shared] = np.std([np.average(x, weights=b) - np.average(views, weights=s) for b, s in drawn])
    assert spread[True] == pytest.approx(fresh, rel=0.15)
    assert spread[False] > 1.3 * fresh


def test_every_signal_meets_the_same_background():
    events = np.arange(30)
    np.testing.assert_array_equal(draws(events, np.arange(5))[0], draws(events, np.arange(8))[0])
    assert not np.array_equal(draws(events, [0], seed=1)[0], draws(events, [0], seed=2)[0])


def test_percentiles_are_those_of_each_column():
    values = np.random.default_rng(1).normal(size=(1000, 2, 3))
    low, high = percentiles(values, 0.9)
    np.testing.assert_allclose(low, np.percentile(values, 5, axis=0))
    np.testing.assert_allclose(high, np.percentile(values, 95, axis=0))


def test_impossible_requests_are_refused():
    with pytest.raises(ValueError, match="replicas"):
        next(resampled([1], [1], seed=1, replicas=0))
    with pytest.raises(ValueError, match="level"):
        percentiles(np.zeros(3), 1.0)
