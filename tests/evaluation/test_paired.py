import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import kstest

from darkclr_ray.evaluation.paired import Ratio, paired_ratio
from darkclr_ray.evaluation.rejection import evaluate


def test_ratio_is_that_of_the_rejections(toy):
    arrays = toy.pair(1)
    result = paired_ratio(*arrays, eps_s=0.1, seed=1, replicas=50)
    first = evaluate(*arrays[:2], *arrays[4:], seed=1, replicas=1)
    second = evaluate(*arrays[2:], seed=1, replicas=1)
    assert result.raw.ratio == pytest.approx(first.raw.at(0.1).value / second.raw.at(0.1).value)
    assert result.matched.ratio == pytest.approx(first.matched.at(0.1).value / second.matched.at(0.1).value)
    assert result.raw.bound is None
    facts = json.loads(json.dumps(result.to_json(), allow_nan=False))
    assert (Ratio(**facts["raw"]), Ratio(**facts["matched"])) == (result.raw, result.matched)


@settings(max_examples=25)
@given(
    st.lists(st.tuples(st.integers(-5, 5), st.floats(150.0, 300.0)), min_size=1, max_size=60),
    st.lists(st.tuples(st.integers(-5, 5), st.floats(150.0, 300.0)), min_size=1, max_size=30),
)
def test_a_score_against_itself_is_exactly_one(background, signal):
    (b, b_pt), (s, s_pt) = np.array(background).T, np.array(signal).T
    events = np.arange(len(b)) // 2, np.arange(len(s)) // 2
    result = paired_ratio(b, s, np.exp(b), np.exp(s), b_pt, s_pt, *events, seed=1, replicas=20)
    for side in (result.raw, result.matched):
        assert (side.ratio, side.low, side.high, side.confidence) == (1.0, 1.0, 1.0, 0.5)


def test_exchanged_scores_give_the_inverse(toy):
    a, a_signal, b, b_signal, *rest = toy.pair(2)
    forth = paired_ratio(a, a_signal, b, b_signal, *rest, seed=1, replicas=101)
    back = paired_ratio(b, b_signal, a, a_signal, *rest, seed=1, replicas=101)
    for one, other in ((forth.raw, back.raw), (forth.matched, back.matched)):
        assert one.ratio == pytest.approx(1.0 / other.ratio)
        assert one.confidence == pytest.approx(1.0 - other.confidence)


def test_interval_covers_the_true_ratio(toy):
    """200 toys at 90%: the covered part is known to 2.1%; three standard deviations are allowed, 2% for the tail."""
    truth = {
        side: toy.background_efficiency(0.2, matched=side == "matched", noise=0.8)
        / toy.background_efficiency(0.2, matched=side == "matched", noise=0.3)
        for side in ("raw", "matched")
    }
    covered = {"raw": [], "matched": []}
    for seed in range(200):
        result = paired_ratio(*toy.pair(seed, 400, 150), seed=seed, replicas=100, level=0.9)
        for side in covered:
            ratio = getattr(result, side)
            covered[side].append(ratio.low < truth[side] < ratio.high)
    for side in covered:
        assert np.mean(covered[side]) == pytest.approx(0.9, abs=0.084), side


def test_confidence_is_uniform_where_nobody_is_better(toy):
    """Two equally good scores: a confidence of 95% or more in a twentieth of the toys, of 5% or less as often."""
    confidence = np.array(
        [
            paired_ratio(*toy.pair(seed, 400, 150, (0.5, 0.5)), seed=seed, replicas=100).raw.confidence
            for seed in range(200)
        ]
    )
    assert np.mean(confidence > 0.5) == pytest.approx(0.5, abs=3 * 0.5 / np.sqrt(200))
    for tail in (confidence < 0.05, confidence > 0.95):
        assert np.mean(tail) == pytest.approx(0.05, abs=3 * np.sqrt(0.05 * 0.95 / 200))
    # neither bolder nor shyer than it says: one seed in a thousand would fail
    assert kstest(confidence, "uniform").pvalue > 0.001


def test_pairing_is_what_makes_the_interval_short(toy):
    a, a_signal, b, b_signal, *rest = toy.pair(3, noise=(0.1, 0.3))
    paired = paired_ratio(a, a_signal, b, b_signal, *rest, seed=1, replicas=300)
    shuffled = np.random.default_rng(1).permutation
    unpaired = paired_ratio(a, a_signal, shuffled(b), shuffled(b_signal), *rest, seed=1, replicas=300)
    assert paired.raw.high - paired.raw.low < 0.6 * (unpaired.raw.high - unpaired.raw.low)


def test_a_better_score_is_told_with_confidence(toy):
    result = paired_ratio(*toy.pair(4, 6000, 1500, (0.0, 1.5)), seed=1, replicas=300)
    assert result.raw.low > 1.0
    assert result.raw.confidence == pytest.approx(300.5 / 301)


def test_no_survivors_bound_the_ratio():
    events, pt, level = np.arange(400), np.full(400, 200.0), np.linspace(0.0, 1.0, 400)
    perfect = np.zeros(400), np.ones(400)
    poor = level, level + 0.1
    better = paired_ratio(*perfect, *poor, pt, pt, events, events, seed=1, replicas=50)
    assert better.raw.bound == better.matched.bound == "lower"
    # as if one of 400 background jets survived the perfect score
    worse = paired_ratio(*poor, *perfect, pt, pt, events, events, seed=1, replicas=50)
    assert worse.raw.bound == "upper"
    assert better.raw.ratio == pytest.approx(1.0 / worse.raw.ratio)
    poor_efficiency = 1.0 / evaluate(*poor, pt, pt, events, events, seed=1, replicas=1).raw.at(0.2).value
    assert better.raw.ratio == pytest.approx(400 * poor_efficiency)
    both = paired_ratio(*perfect, *perfect, pt, pt, events, events, seed=1, replicas=50)
    assert (both.raw.bound, both.raw.ratio, both.raw.confidence) == ("none", 1.0, 0.5)


def test_few_survivors_of_little_weight_do_not_lead_over_none():
    """Twelve background jets survive a, none survives b; matched, all twelve weigh less than the heaviest jet."""
    events = np.arange(400)
    background_pt = np.repeat([160.0, 280.0], [360, 40])  # the signal is at high pT: jets there weigh more
    signal_pt = np.repeat([160.0, 280.0], [40, 360])
    a, b = np.zeros(400), np.zeros(400)
    a[:12] = 2.0
    ratio = paired_ratio(
        a, np.ones(400), b, np.ones(400), background_pt, signal_pt, events, events, seed=1, replicas=200
    )
    for side in (ratio.raw, ratio.matched):
        assert side.ratio <= 1.0
        assert side.confidence <= 0.5


def test_arrays_of_different_lengths_are_refused(toy):
    arrays = list(toy.pair(1, 50, 50))
    arrays[2] = arrays[2][:-1]
    with pytest.raises(ValueError, match="background"):
        paired_ratio(*arrays, seed=1)
