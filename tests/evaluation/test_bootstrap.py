import numpy as np
import pytest
from scipy.stats import poisson

from darkclr_ray.evaluation.bootstrap import STEPS, Draws, percentiles, words_of


def counts(events, sample="background", seed=1, words=50):
    return Draws(events, seed=seed, sample=sample).counts(slice(None), range(words)).T


def test_jets_of_an_event_come_and_go_together():
    drawn = counts(np.array([9, 4, 9, 7, 4, 1]))
    np.testing.assert_array_equal(drawn[:, 0], drawn[:, 2])
    np.testing.assert_array_equal(drawn[:, 1], drawn[:, 4])
    # events are independent, with mean and variance 1
    of_events = drawn[:, [0, 1, 3, 5]]
    np.testing.assert_allclose(of_events.mean(axis=0), 1.0, atol=4 / np.sqrt(400))
    np.testing.assert_allclose(np.cov(of_events.T), np.eye(4), atol=0.25)


def test_probabilities_are_those_of_poisson_in_bytes():
    exact = np.diff([0, *STEPS, 256]) / 256
    numbers = np.arange(len(exact))
    assert np.abs(exact - poisson.pmf(numbers, 1.0)).max() < 0.005
    assert numbers @ exact == 1.0
    assert (numbers - 1.0) ** 2 @ exact == 1.0
    drawn = counts(np.arange(5000))
    share = np.bincount(drawn.astype(int).ravel(), minlength=6) / drawn.size
    np.testing.assert_allclose(share, exact, atol=4 * 0.5 / np.sqrt(drawn.size))


def test_draws_of_events_and_replicas_are_independent():
    drawn = counts(np.arange(2000), words=8)
    between_replicas = np.corrcoef(drawn)[~np.eye(64, dtype=bool)]
    assert np.abs(between_replicas).max() < 5 / np.sqrt(2000)
    neighbours = [np.corrcoef(row[:-1], row[1:])[0, 1] for row in drawn]
    assert np.abs(neighbours).max() < 5 / np.sqrt(2000)


def test_background_and_signal_of_one_number_are_different_events():
    background, signal = counts(np.arange(50)), counts(np.arange(50), "signal")
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
    for sample in ("background", "signal"):
        drawn = zip(counts(np.arange(200), words=250), counts(np.arange(100), sample, words=250), strict=True)
        spread[sample] = np.std([np.average(x, weights=b) - np.average(views, weights=s) for b, s in drawn])
    assert spread["background"] == pytest.approx(fresh, rel=0.15)
    assert spread["signal"] > 1.3 * fresh


def test_draws_of_an_event_depend_on_nothing_else():
    events = np.arange(30)
    np.testing.assert_array_equal(counts(events)[:, ::-1], counts(events[::-1]))
    np.testing.assert_array_equal(counts(events)[:, 3:5], counts([3, 4]))
    parts = [Draws(events, seed=1, sample="background").counts(slice(7, 9), range(at, at + 1)) for at in range(50)]
    np.testing.assert_array_equal(counts(events)[:, 7:9].T, np.concatenate(parts, axis=1))
    assert not np.array_equal(counts(events), counts(events, seed=2))


def test_percentiles_are_those_of_each_column():
    values = np.random.default_rng(1).normal(size=(1000, 2, 3))
    low, high = percentiles(values, 0.9)
    np.testing.assert_allclose(low, np.percentile(values, 5, axis=0))
    np.testing.assert_allclose(high, np.percentile(values, 95, axis=0))


def test_replicas_without_events_do_not_count():
    values = np.random.default_rng(1).normal(size=(100, 2))
    with_empty = np.insert(values, 50, np.nan, axis=0)
    np.testing.assert_array_equal(percentiles(with_empty, 0.9), percentiles(values, 0.9))


def test_impossible_requests_are_refused():
    with pytest.raises(ValueError, match="replicas"):
        words_of(0)
    with pytest.raises(ValueError, match="integers"):
        Draws(["a"], seed=1, sample="background")
    with pytest.raises(ValueError, match="no event occurs in any of 2"):
        percentiles(np.full((2, 3), np.nan), 0.9)
    with pytest.raises(ValueError, match="level"):
        percentiles(np.zeros(3), 1.0)
