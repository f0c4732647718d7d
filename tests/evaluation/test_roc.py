import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import norm
from sklearn.metrics import roc_auc_score
from sklearn.metrics import roc_curve as sklearn_roc_curve

from darkclr_ray.evaluation.roc import Ranking, auc, rejection_at, roc_curve, significance_improvement

EPS_S = np.linspace(0.01, 1.0, 100)

scores = st.lists(st.integers(-4, 4), min_size=1, max_size=30)


def draw(seed, decimals=None, size=(400, 150)):
    generator = np.random.default_rng(seed)
    background, signal = generator.normal(size=size[0]), generator.normal(0.8, 1.3, size=size[1])
    if decimals is not None:
        background, signal = background.round(decimals), signal.round(decimals)
    return background, signal, generator.uniform(0.0, 3.0, size=size[0]), generator.uniform(0.0, 3.0, size=size[1])


@pytest.mark.parametrize("decimals", [None, 1, 0])
@pytest.mark.parametrize("weighted", [False, True])
def test_area_and_curve_agree_with_scikit_learn(decimals, weighted):
    background, signal, background_weights, signal_weights = draw(3, decimals)
    if not weighted:
        background_weights, signal_weights = np.ones(len(background)), np.ones(len(signal))
    labels = np.repeat([0, 1], [len(background), len(signal)])
    both, weights = np.concatenate([background, signal]), np.concatenate([background_weights, signal_weights])
    roc = Ranking(background, signal).roc(background_weights, signal_weights)
    assert roc.auc == pytest.approx(roc_auc_score(labels, both, sample_weight=weights), rel=1e-12)
    eps_b, eps_s, _ = sklearn_roc_curve(labels, both, sample_weight=weights, drop_intermediate=False)
    # off the corners the polygon has one eps_B for each eps_S; at a corner the tightest cut is meant
    inner = EPS_S[:-1] + 1e-4
    np.testing.assert_allclose(roc.background_efficiency(inner), np.interp(inner, eps_s, eps_b), rtol=1e-6, atol=1e-9)


def test_efficiency_without_ties_is_a_count_above_the_cut():
    background, signal, weights, _ = draw(4)
    roc = roc_curve(background, signal, weights)
    for eps_s in (0.1, 0.2, 0.34, 1.0):
        cut = np.sort(signal)[::-1][round(np.ceil(eps_s * len(signal) - 1e-9)) - 1]
        assert roc.threshold(eps_s) == cut
        expected = weights[background > cut].sum() / weights.sum()
        assert roc.background_efficiency(eps_s) == pytest.approx(expected, rel=1e-12)


def test_tied_scores_pass_like_a_random_part_of_them():
    background, signal, _, _ = draw(5, decimals=0)
    exact = roc_curve(background, signal).background_efficiency([0.1, 0.2, 0.5])
    generator = np.random.default_rng(1)
    broken = np.mean(
        [
            roc_curve(
                background + 1e-6 * generator.random(len(background)), signal + 1e-6 * generator.random(len(signal))
            ).background_efficiency([0.1, 0.2, 0.5])
            for _ in range(2000)
        ],
        axis=0,
    )
    # a cut at the k-th of n tied signal jets keeps k/(n + 1) of the tied background on average: half a jet's difference
    np.testing.assert_allclose(exact, broken, atol=0.008)


def test_two_gaussians():
    generator = np.random.default_rng(6)
    background, signal = generator.normal(size=200_000), generator.normal(1.3, size=200_000)
    assert auc(background, signal) == pytest.approx(norm.cdf(1.3 / np.sqrt(2)), abs=0.003)
    for eps_s in (0.1, 0.2, 0.5):
        expected = norm.sf(1.3 + norm.isf(eps_s))
        assert 1.0 / rejection_at(background, signal, eps_s) == pytest.approx(expected, rel=0.06)


@given(scores, scores)
def test_area_is_the_mann_whitney_statistic(background, signal):
    pairs = [(s > b) + 0.5 * (s == b) for s in signal for b in background]
    assert auc(background, signal) == pytest.approx(np.mean(pairs), rel=1e-12)


@given(scores, scores)
def test_only_the_order_counts(background, signal):
    roc = roc_curve(background, signal)
    other = roc_curve(np.exp(0.3 * np.array(background)) + 7, np.exp(0.3 * np.array(signal)) + 7)
    assert other.auc == roc.auc
    np.testing.assert_array_equal(other.background_efficiency(EPS_S), roc.background_efficiency(EPS_S))


@given(scores, scores)
def test_exchanged_and_reversed_scores_mirror_the_curve(background, signal):
    assert auc(background, signal) == pytest.approx(1.0 - auc(signal, background), abs=1e-12)
    assert auc(background, signal) == pytest.approx(auc(-np.array(signal), -np.array(background)), abs=1e-12)


@given(scores, scores)
def test_efficiency_rises_to_one_at_most(background, signal):
    eps_b = roc_curve(background, signal).background_efficiency(EPS_S)
    assert np.all(np.diff(eps_b) >= 0.0)
    assert np.all((eps_b >= 0.0) & (eps_b <= 1.0))


def test_a_whole_weight_is_a_repeated_jet():
    background, signal, _, _ = draw(7, decimals=1)
    repeats = np.random.default_rng(2).integers(0, 4, size=len(background))
    weighted, repeated = roc_curve(background, signal, repeats), roc_curve(np.repeat(background, repeats), signal)
    assert weighted.auc == pytest.approx(repeated.auc, rel=1e-12)
    np.testing.assert_allclose(weighted.background_efficiency(EPS_S), repeated.background_efficiency(EPS_S), rtol=1e-9)


def test_all_scores_equal_is_chance():
    roc = roc_curve(np.zeros(5), np.zeros(3))
    assert roc.auc == 0.5
    np.testing.assert_allclose(roc.background_efficiency(EPS_S), EPS_S, rtol=1e-12)


def test_one_jet_of_each():
    assert rejection_at([0.0], [1.0], 0.2) == float("inf")
    assert rejection_at([1.0], [0.0], 0.2) == 1.0
    assert auc([0.0], [1.0]) == 1.0


def test_significance_improvement_of_no_cut_is_one():
    assert significance_improvement(1.0, 1.0) == 1.0


@pytest.mark.parametrize(
    ("background", "signal", "weights", "words"),
    [
        ([], [1.0], None, "at least one jet"),
        ([1.0], [], None, "signal scores"),
        ([1.0, np.nan], [1.0], None, "jet 1 has nan"),
        ([1.0], [np.inf], None, "signal scores: jet 0"),
        ([[1.0]], [1.0], None, "shape"),
        ([1.0, 2.0], [1.0], [1.0], "expected one a jet"),
        ([1.0, 2.0], [1.0], [2.0, -1.0], "not negative"),
        ([1.0, 2.0], [1.0], [0.0, 0.0], "all zero"),
        ([1.0, 2.0], [1.0], [np.nan, 1.0], "finite"),
    ],
)
def test_impossible_input_is_refused(background, signal, weights, words):
    with pytest.raises(ValueError, match=words):
        roc_curve(background, signal, weights)


@pytest.mark.parametrize("eps_s", [0.0, -0.1, 1.01, np.nan])
def test_impossible_efficiency_is_refused(eps_s):
    with pytest.raises(ValueError, match="signal efficiency"):
        rejection_at([0.0], [1.0], eps_s)
