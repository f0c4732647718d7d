import json
from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import binomtest, norm

from darkclr_ray.evaluation.matching import pt_weights
from darkclr_ray.evaluation.rejection import Evaluation, evaluate, rejection_or_bound
from darkclr_ray.evaluation.roc import auc, rejection_at


def gaussians(background=2000, signal=1000, shift=1.0, seed=1):
    normal = np.random.default_rng(seed).normal
    pts = np.full(background, 200.0), np.full(signal, 200.0)
    return normal(size=background), normal(shift, size=signal), *pts, np.arange(background), np.arange(signal)


@pytest.fixture(scope="module")
def result(toy):
    return evaluate(*toy.jets(1), seed=1)


def test_values_are_those_of_the_curve(toy, result):
    background, signal, background_pt, signal_pt, _, _ = toy.jets(1)
    weights = pt_weights(background_pt, signal_pt)
    assert (result.n_background, result.n_signal) == (len(background), len(signal))
    assert result.raw.auc == auc(background, signal)
    assert result.matched.auc == auc(background, signal, weights.weights)
    assert result.raw.effective_background == len(background)
    assert result.matched.effective_background == pytest.approx(weights.effective_size)
    for eps_s in (0.2, 0.1):
        assert result.raw.at(eps_s).value == pytest.approx(rejection_at(background, signal, eps_s))
        assert result.matched.at(eps_s).value == pytest.approx(rejection_at(background, signal, eps_s, weights.weights))
        assert result.raw.at(eps_s).significance_improvement == pytest.approx(eps_s * result.raw.at(eps_s).value ** 0.5)
        assert result.raw.at(eps_s).survivors == np.count_nonzero(background > result.raw.at(eps_s).threshold)


def test_raw_interval_is_the_exact_binomial(result):
    cut = result.raw.at(0.2)
    exact = binomtest(round(cut.survivors), result.n_background).proportion_ci(0.6827, method="exact")
    assert (cut.low, cut.high) == pytest.approx((1 / exact.high, 1 / exact.low), rel=1e-6)


def test_matched_interval_is_the_bootstraps(result):
    cut = result.matched.at(0.2)
    assert (cut.low, cut.high) == (cut.bootstrap_low, cut.bootstrap_high)
    assert cut.low < cut.value < cut.high


def test_json_and_back(result):
    text = json.dumps(result.to_json(), allow_nan=False)
    assert json.loads(text)["matched"]["rejection"]["0.2"]["value"] == result.matched.at(0.2).value
    assert Evaluation.from_json(json.loads(text)) == result


def test_same_seed_same_numbers(toy, result):
    assert evaluate(*toy.jets(1), seed=1) == result
    assert evaluate(*toy.jets(1), seed=2) != result


def test_increasing_function_of_the_score_changes_nothing(toy, result):
    background, signal, *rest = toy.jets(1)
    other = evaluate(np.exp(background), np.exp(signal), *rest, seed=1)
    for side in ("raw", "matched"):
        mine, its = getattr(result, side), getattr(other, side)
        assert its.auc == mine.auc
        assert [replace(cut, threshold=0.0) for cut in its.rejections] == [
            replace(cut, threshold=0.0) for cut in mine.rejections
        ]


@pytest.mark.parametrize("level", [0.6827, 0.95])
def test_bootstrap_covers_the_truth(toy, level):
    """300 toys, so that the covered part is known to 2.7% (1.3% at 95%); three standard deviations are allowed, and 2%
    more for some 30 survivors in the tail. The binomial at a given cut does not cover, as it must not: it leaves out
    the signal's fluctuation."""
    toys, covered = 300, {"raw": [], "matched": [], "binomial": [], "area": []}
    truth = {side: 1.0 / toy.background_efficiency(0.2, matched=side == "matched") for side in ("raw", "matched")}
    for seed in range(toys):
        result = evaluate(*toy.jets(seed, 400, 150), eps_s=(0.2,), seed=seed, replicas=100, level=level)
        for side in ("raw", "matched"):
            cut = getattr(result, side).at(0.2)
            covered[side].append(cut.bootstrap_low < truth[side] < cut.bootstrap_high)
        cut = result.raw.at(0.2)
        covered["binomial"].append(cut.low < truth["raw"] < cut.high)
        covered["area"].append(result.raw.auc_low < toy.area() < result.raw.auc_high)
    tolerance = 3.0 * np.sqrt(level * (1.0 - level) / toys) + 0.02
    for name in ("raw", "matched", "area"):
        assert np.mean(covered[name]) == pytest.approx(level, abs=tolerance), name
    assert np.mean(covered["binomial"]) < level


def test_matched_rejection_is_centred_on_the_truth(toy):
    values = [1.0 / evaluate(*toy.jets(seed), seed=1, replicas=1).matched.at(0.2).value for seed in range(100)]
    error = np.std(values) / 10
    assert np.mean(values) == pytest.approx(toy.background_efficiency(0.2, matched=True), abs=4 * error)


def test_binomial_covers_at_a_cut_that_is_known():
    """With a signal that does not fluctuate, the exact interval covers at least its level."""
    signal = norm.isf((np.arange(2000) + 0.5) / 2000) + 1.0
    truth, covered = 1.0 / norm.sf(1.0 + norm.isf(0.2)), []
    for seed in range(200):
        background = np.random.default_rng(seed).normal(size=1000)
        pts = np.full(1000, 200.0), np.full(2000, 200.0)
        events = np.arange(1000), np.arange(2000)
        cut = evaluate(background, signal, *pts, *events, eps_s=(0.2,), seed=1, replicas=1).raw.at(0.2)
        covered.append(cut.low < truth < cut.high)
    assert np.mean(covered) > 0.6827 - 3 * np.sqrt(0.6827 * 0.3173 / 200)


def test_jets_that_come_in_pairs_are_worth_half():
    """Each jet twice in its event: same numbers, intervals as wide as for half as many jets."""
    single = evaluate(*gaussians(1500, 500), seed=1, replicas=1000)
    doubled = [np.repeat(array, 2) for array in gaussians(1500, 500)]
    together = evaluate(*doubled, seed=1, replicas=1000)
    apart = evaluate(*doubled[:4], np.arange(3000), np.arange(1000), seed=1, replicas=1000)
    for field in ("value", "bootstrap_low", "bootstrap_high"):
        assert getattr(together.raw.at(0.2), field) == pytest.approx(getattr(single.raw.at(0.2), field), rel=0.02)
    width = {name: raw.auc_high - raw.auc_low for name, raw in (("together", together.raw), ("apart", apart.raw))}
    assert width["together"] / width["apart"] == pytest.approx(np.sqrt(2), rel=0.1)


def test_nothing_survives_gives_a_lower_bound():
    background, signal, *rest = gaussians(1000, 100, shift=100.0)
    result = evaluate(background, signal, *rest, seed=1)
    for cut in (result.raw.at(0.2), result.matched.at(0.2)):
        assert cut.lower_bound
        assert cut.value == cut.low == cut.bootstrap_low == pytest.approx(1.0 / (1.0 - 0.05**0.001))
        assert cut.high is cut.bootstrap_high is None
        assert cut.significance_improvement == pytest.approx(0.2 * np.sqrt(cut.value))
    json.dumps(result.to_json(), allow_nan=False)


@pytest.mark.parametrize("jets", [501, 502, 509, 561])
def test_one_survivor_is_one_jet_in_any_arithmetic(jets):
    """(1 / 501) * 501 is less than 1 in floating point."""
    value, bound = rejection_or_bound(1.0 / jets, np.ones(jets))
    assert not bound
    assert value == pytest.approx(jets)


def test_fewer_survivors_are_never_a_smaller_merit():
    pt, events = np.full(400, 200.0), np.arange(400)
    merits, bounds = [], []
    for survivors in (3, 2, 1, 0):
        background = np.where(np.arange(400) < survivors, 2.0, 0.0)
        found = evaluate(background, np.ones(400), pt, pt, events, events, seed=1, replicas=20)
        merits.append(found.log_rejection("raw"))
        bounds.append(found.raw.at(0.2).lower_bound)
        assert found.log_rejection("matched") == pytest.approx(found.log_rejection("raw"))
    assert np.exp(merits) == pytest.approx([400 / 3, 200, 400, 400])
    assert bounds == [False, False, False, True]


def test_bound_allows_for_what_is_missing_where_weights_are_large():
    light, heavy = np.full(900, 0.5), np.full(100, 5.5)
    value, bound = rejection_or_bound(0.0, np.concatenate([light, heavy]))
    assert bound
    # zero of 100 heavy jets, which stand for 55% of the spectrum, allows 3% of them
    assert value == pytest.approx(1.0 / (0.55 * 0.03), rel=0.02)


def test_an_open_end_is_none_not_infinite():
    background, signal, *rest = gaussians(500, 100, shift=100.0)
    background[0] = 1000.0
    cut = evaluate(background, signal, *rest, seed=1).raw.at(0.2)
    assert not cut.lower_bound
    assert cut.value == 500.0
    assert cut.bootstrap_high is None
    assert cut.low < 500.0 < cut.high


def test_replicas_in_which_nothing_survives_leave_the_end_open():
    """One background jet above the cut, by chance in none of two replicas: the value stands, the interval is open."""
    pt, events = np.full(100, 200.0), np.arange(100)
    background, signal = np.r_[9.0, np.zeros(99)], np.full(100, 5.0)
    entries = [
        evaluate(background, signal, pt, pt, events, events, seed=seed, replicas=2).raw.at(0.2) for seed in range(30)
    ]
    assert all(entry.value == 100.0 and not entry.lower_bound for entry in entries)
    assert any(entry.bootstrap_high is None and entry.bootstrap_low == 100.0 for entry in entries)


def test_ties_as_in_a_multiplicity():
    generator = np.random.default_rng(3)
    background, signal = -generator.poisson(31, 4000), -generator.poisson(22, 1000)
    pts = np.full(4000, 200.0), np.full(1000, 200.0)
    cut = evaluate(background, signal, *pts, np.arange(4000), np.arange(1000), seed=1).raw.at(0.2)
    # between the rejections of the two whole cuts around the wanted efficiency
    tight, loose = background > cut.threshold, background >= cut.threshold
    assert np.mean(signal > cut.threshold) < 0.2 < np.mean(signal >= cut.threshold)
    assert 1 / loose.mean() < cut.value < 1 / tight.mean()
    assert tight.sum() < cut.survivors < loose.sum()


def test_one_jet_of_each():
    result = evaluate([0.0], [1.0], [200.0], [210.0], [1], [1], seed=1)
    assert result.raw.at(0.2).lower_bound
    assert result.raw.at(0.2).value == pytest.approx(1 / 0.95)
    assert evaluate([1.0], [0.0], [200.0], [210.0], [1], [1], seed=1).matched.at(0.2).value == 1.0


def test_what_was_not_evaluated_is_not_there(result):
    with pytest.raises(ValueError, match=r"there are: 0\.2, 0\.1"):
        result.raw.at(0.3)


@pytest.mark.parametrize(
    ("place", "words"),
    [(2, "background: 2000 scores, 1999 pT"), (4, "2000 events"), (3, "signal: 1000"), (5, "signal")],
)
def test_arrays_of_different_lengths_are_refused(place, words):
    arrays = list(gaussians())
    arrays[place] = arrays[place][:-1]
    with pytest.raises(ValueError, match=words.replace("2000 events", "1999 events")):
        evaluate(*arrays, seed=1)
