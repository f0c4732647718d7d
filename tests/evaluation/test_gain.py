"""The gain of a step over trainings: against closed forms, and the coverage of its interval on toys."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.stats import ttest_1samp

from darkclr_ray.evaluation.gain import log_ratio, mean_gain
from darkclr_ray.evaluation.rejection import evaluate


def test_interval_is_that_of_the_t_test() -> None:
    values = np.random.default_rng(1).normal(0.2, 0.3, 7)
    gain = mean_gain({place: [value] for place, value in enumerate(values)})
    interval = ttest_1samp(values, 0.0).confidence_interval(0.95)
    assert [gain.ratio, gain.low, gain.high] == pytest.approx(np.exp([values.mean(), *interval]))
    assert (gain.groups, gain.trainings) == (7, 7)


def test_trainings_on_one_encoder_count_once() -> None:
    """Ten copies of a training make no interval shorter."""
    few, many = (mean_gain({"a": [0.1] * copies, "b": [0.5] * copies}) for copies in (1, 10))
    assert (few.ratio, few.low, few.high) == pytest.approx((many.ratio, many.low, many.high))
    assert many.trainings == 20


def test_one_encoder_has_no_interval() -> None:
    gain = mean_gain({"a": [0.1, 0.3]})
    assert gain.ratio == pytest.approx(math.exp(0.2))
    assert gain.low is None
    assert gain.high is None


def test_interval_covers() -> None:
    random = np.random.default_rng(2)
    covered = 0
    for _ in range(400):
        shift = random.normal(0.1, 0.3, 5)
        gain = mean_gain({place: (s + random.normal(0.0, 0.1, 3)).tolist() for place, s in enumerate(shift)})
        assert gain.low is not None
        assert gain.high is not None
        covered += gain.low < math.exp(0.1) < gain.high
    assert 0.92 < covered / 400 < 0.98


def test_log_ratio_is_that_of_matched_rejections() -> None:
    random = np.random.default_rng(3)
    pt, events = np.full(2000, 200.0), np.arange(2000)
    found = {
        name: {
            signal: evaluate(
                random.normal(size=2000), random.normal(shift, size=2000), pt, pt, events, events, seed=1, replicas=2
            )
            for signal, shift in (("x", strength), ("y", 2 * strength))
        }
        for name, strength in (("good", 1.0), ("bad", 0.5))
    }
    by_hand = {
        signal: math.log(found["good"][signal].matched.at(0.2).value / found["bad"][signal].matched.at(0.2).value)
        for signal in ("x", "y")
    }
    assert log_ratio(found["good"], found["bad"], "x") == pytest.approx(by_hand["x"])
    assert log_ratio(found["good"], found["bad"]) == pytest.approx((by_hand["x"] + by_hand["y"]) / 2)
    assert log_ratio(found["bad"], found["good"]) == pytest.approx(-(by_hand["x"] + by_hand["y"]) / 2)
    with pytest.raises(ValueError, match="no evaluation of both scores on z"):
        log_ratio(found["good"], found["bad"], "z")


def test_nothing_to_compare_is_refused() -> None:
    with pytest.raises(ValueError, match="no trainings"):
        mean_gain({})
