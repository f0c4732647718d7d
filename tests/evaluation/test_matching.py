import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from darkclr_ray.evaluation.matching import LEAST_BACKGROUND, PtBins, bin_weights, effective_size, pt_weights
from darkclr_ray.evaluation.roc import auc, rejection_at

momenta = st.lists(st.floats(100.0, 400.0), min_size=1, max_size=200)


def falling(generator, size):
    """QCD's pT^-5 between 150 and 300 GeV, from the inverse of its distribution function."""
    low, high = 150.0**-4, 300.0**-4
    return (low - generator.random(size) * (low - high)) ** -0.25


def test_weighted_background_has_the_signals_spectrum():
    generator = np.random.default_rng(1)
    background, signal = falling(generator, 20_000), generator.uniform(150.0, 300.0, 4_000)
    weights = pt_weights(background, signal).weights
    edges = np.arange(150.0, 301.0, 10.0)
    expected = np.histogram(signal, edges)[0] / len(signal)
    weighted = np.histogram(background, edges, weights=weights)[0] / weights.sum()
    np.testing.assert_allclose(weighted, expected, rtol=1e-9)
    assert weights.mean() == pytest.approx(1.0)


def test_a_score_that_is_the_pt_is_chance_after_matching():
    generator = np.random.default_rng(2)
    background, signal = falling(generator, 40_000), generator.uniform(150.0, 300.0, 8_000)
    weights = pt_weights(background, signal).weights
    assert auc(background, signal) > 0.7
    assert auc(background, signal, weights) == pytest.approx(0.5, abs=0.01)
    assert rejection_at(background, signal, 0.2, weights) == pytest.approx(5.0, rel=0.04)


def test_effective_size_of_a_steep_spectrum():
    """3k jets falling like pT^-5 are worth about 1.2k after matching to a flat spectrum."""
    generator = np.random.default_rng(3)
    size = pt_weights(falling(generator, 3_000), generator.uniform(150.0, 300.0, 3_000)).effective_size
    assert 900 < size < 1_500


def test_effective_size_is_kishs():
    weights = np.random.default_rng(4).uniform(size=50)
    assert effective_size(weights) == pytest.approx(50 / (1 + weights.var() / weights.mean() ** 2))


@given(momenta, momenta)
def test_every_bin_has_background_and_every_signal_jet_counts(background, signal):
    bins = PtBins.of(background, signal)
    counts = np.bincount(bins.background, minlength=len(bins.edges) + 1)
    assert len(bins.edges) == 0 or counts.min() >= LEAST_BACKGROUND
    weights = bins.weights()
    assert weights.sum() == pytest.approx(len(background))
    for number in range(len(bins.edges) + 1):
        part = weights[bins.background == number].sum() / len(background)
        assert part == pytest.approx(np.mean(bins.signal == number), abs=1e-9)


def test_bins_do_not_merge_where_there_is_enough():
    background = np.repeat(np.arange(155.0, 300.0, 10.0), LEAST_BACKGROUND)
    np.testing.assert_array_equal(PtBins.of(background, background).edges, np.arange(160.0, 300.0, 10.0))


def test_signal_harder_than_all_background_is_represented_by_the_hardest():
    background = np.repeat([155.0, 165.0], 50)
    weights = pt_weights(background, [155.0, 500.0]).weights
    np.testing.assert_allclose(weights, 1.0)


def test_weights_of_a_replica_are_those_of_its_jets_written_out():
    generator = np.random.default_rng(5)
    background, signal = falling(generator, 3_000), generator.uniform(150.0, 300.0, 500)
    counts = generator.integers(0, 3, 3_000), generator.integers(0, 3, 500)
    bins = PtBins.of(background, signal)
    both = list(zip([bins.background, bins.signal], counts, strict=True))
    written = PtBins(bins.edges, *(np.repeat(bin, count) for bin, count in both))
    weights = bin_weights(*(np.bincount(bin, count, bins.number) for bin, count in both))
    np.testing.assert_allclose(weights[written.background], written.weights())
    several = bin_weights(*(np.array([np.bincount(bin, count)] * 4).T for bin, count in both))
    np.testing.assert_allclose(several, np.tile(weights[:, None], 4))


def test_a_replica_without_background_under_the_signal_stays_unweighted():
    np.testing.assert_array_equal(bin_weights(np.array([3, 0]), np.array([0, 1])), [1.0, 1.0])
    np.testing.assert_array_equal(bin_weights(np.array([0, 0]), np.array([0, 1])), [1.0, 1.0])


@pytest.mark.parametrize(("background", "signal"), [([], [200.0]), ([200.0], []), ([np.nan], [200.0])])
def test_impossible_momenta_are_refused(background, signal):
    with pytest.raises(ValueError, match="pT"):
        pt_weights(background, signal)
