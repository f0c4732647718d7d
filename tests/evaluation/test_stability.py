import json

import numpy as np
import pytest
from scipy.stats import norm

from darkclr_ray.evaluation.paired import Ratio
from darkclr_ray.evaluation.stability import ScorePair, stability


def pair(nominal, perturbed):
    events = np.arange(len(nominal))
    return ScorePair(nominal, perturbed, np.full(len(nominal), 200.0), events)


def test_gaussian_scores_with_gaussian_noise_have_closed_forms():
    normal = np.random.default_rng(1).normal
    noise, separation = 0.7, 1.5
    b, s = normal(0.0, 2.0, 60_000), normal(2.0 * separation, 2.0, 20_000)
    found = stability(
        pair(b, b + normal(0.0, 2.0 * noise, len(b))),
        {"a": pair(s, s + normal(0.0, 2.0 * noise, len(s)))},
        seed=1,
        replicas=50,
    )
    assert found.spread == pytest.approx(2.0, rel=0.01)
    width = np.hypot(1.0, noise)
    for shift in (found.background, found.signals["a"].shift):
        assert shift.mean == pytest.approx(0.0, abs=0.02)
        assert shift.rms == pytest.approx(noise, rel=0.02)
        assert shift.median_abs == pytest.approx(norm.ppf(0.75) * noise, rel=0.02)
        # Pearson, Drapers' Co. Mem. 4 (1907): rho_S = 6/pi arcsin(rho/2)
        assert shift.correlation == pytest.approx(6 / np.pi * np.arcsin(0.5 / width), abs=0.005)
    cut, anew = separation + norm.isf(0.2), separation + width * norm.isf(0.2)
    before, after = norm.sf(cut), norm.sf(anew / width)
    signal = found.signals["a"]
    assert signal.nominal == pytest.approx(1 / before, rel=0.1)
    assert signal.perturbed == pytest.approx(1 / after, rel=0.1)
    assert signal.ratio.raw.ratio == pytest.approx(before / after, rel=0.1)
    assert signal.ratio.raw.high < 1.0
    assert signal.fixed_eps_s == pytest.approx(norm.sf((cut - separation) / width), rel=0.02)
    assert signal.fixed_eps_b_ratio == pytest.approx(norm.sf(cut / width) / before, rel=0.1)


def test_a_common_shift_is_felt_by_a_fixed_cut_alone():
    normal = np.random.default_rng(2).normal
    b, s = normal(size=5000), normal(1.0, size=1000)
    found = stability(pair(b, b + 0.5), {"a": pair(s, s + 0.5)}, seed=1, replicas=20)
    signal = found.signals["a"]
    assert found.background.mean == pytest.approx(0.5 / found.spread)
    assert signal.ratio.raw.ratio == signal.ratio.matched.ratio == 1.0
    assert signal.nominal == signal.perturbed
    assert signal.fixed_eps_s > 0.3
    assert signal.fixed_eps_b_ratio > 1.5


def test_tied_scores_that_do_not_move_change_nothing():
    generator = np.random.default_rng(3)
    b, s = generator.poisson(30, 3000).astype(float), generator.poisson(36, 500).astype(float)
    signal = stability(pair(b, b), {"a": pair(s, s)}, seed=1, replicas=20).signals["a"]
    assert signal.fixed_eps_s == pytest.approx(0.2)
    assert signal.fixed_eps_b_ratio == pytest.approx(1.0)
    assert (signal.ratio.raw.low, signal.ratio.raw.high) == (1.0, 1.0)


def test_a_cut_that_nothing_survives_gives_bounds():
    b, s = np.arange(100.0), np.arange(200.0, 220.0)
    found = stability(pair(b, b + 1.0), {"a": pair(s, np.full(20, 500.0))}, seed=1, replicas=20)
    signal = found.signals["a"]
    assert signal.fixed_eps_b_ratio is None
    assert signal.shift.correlation is None
    assert signal.ratio.raw.bound == "none"
    assert signal.nominal == signal.perturbed == pytest.approx(33.9, abs=0.1)  # 95% limit for none of 100
    facts = json.loads(json.dumps(found.to_json(), allow_nan=False))
    assert Ratio(**facts["signals"]["a"]["ratio"]["raw"]) == signal.ratio.raw


def test_impossible_scores_are_refused():
    with pytest.raises(ValueError, match="2 nominal and 3 perturbed scores"):
        ScorePair([1.0, 2.0], [1.0, 2.0, 3.0], [1.0, 2.0], [1, 2])
    with pytest.raises(ValueError, match="all background jets have the same score"):
        stability(pair(np.ones(5), np.ones(5)), {}, seed=1)
