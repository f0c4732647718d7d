import json

import numpy as np
import pytest
from scipy.spatial.distance import jensenshannon

from darkclr_ray.evaluation.sculpting import sculpting


def test_an_independent_score_stays_on_the_floor():
    """p values of 200 independent scores are uniform: their mean is known to 2.0%, three times that is allowed."""
    generator = np.random.default_rng(2)
    mass = generator.exponential(30.0, 2000)
    results = [
        sculpting(generator.normal(size=2000), mass, eps_b=[0.1], random_cuts=200, seed=seed)[0] for seed in range(200)
    ]
    assert np.mean([result.p_value for result in results]) == pytest.approx(0.5, abs=3 / np.sqrt(12 * 200))
    assert np.mean([result.divergence for result in results]) == pytest.approx(results[0].floor, rel=0.1)


def test_floor_has_its_closed_form():
    mass = np.random.default_rng(3).exponential(30.0, 20_000)
    for result in sculpting(mass, mass, seed=1):
        expected = 19 / (8 * np.log(2)) * (1 / result.passed - 1 / 20_000)
        assert result.floor == pytest.approx(expected, rel=0.05)
        assert result.passed == round(result.eps_b * 20_000)
        assert result.divergence > 20 * result.floor_95
        assert result.p_value == pytest.approx(1 / 1001)


def test_a_cut_on_the_observable_keeps_the_last_bins():
    mass = np.random.default_rng(4).permutation(1000).astype(float)
    [result] = sculpting(mass, mass, eps_b=[0.1], bins=10, seed=1)
    assert result.after == (0,) * 9 + (100,)
    assert result.before == (100,) * 10
    # ln JSD of p = (1/10, ..., 1/10) and of a point in one bin
    p = np.full(10, 0.1)
    q = np.eye(10)[9]
    assert result.divergence == pytest.approx(jensenshannon(p, q, base=2) ** 2)
    assert json.loads(json.dumps(result.to_json()))["after"][-1] == 100


def test_tied_scores_pass_at_random():
    mass = np.random.default_rng(5).exponential(30.0, 5000)
    [result] = sculpting(np.zeros(5000), np.sort(mass), eps_b=[0.2], seed=1)
    assert result.passed == 1000
    assert result.p_value > 0.01


def test_an_observable_with_one_value_has_nothing_to_sculpt():
    [result] = sculpting(np.arange(100.0), np.ones(100), eps_b=[0.1], seed=1)
    assert (result.divergence, result.floor, result.before, result.after) == (0.0, 0.0, (100,), (10,))
    assert result.edges == (1.0, 1.0)


@pytest.mark.parametrize(("eps_b", "size"), [(0.01, 40), (1.0, 100), (0.1, 99)])
def test_impossible_cuts_are_refused(eps_b, size):
    with pytest.raises(ValueError, match=r"eps_B|100 scores"):
        sculpting(np.arange(100.0)[: 40 if size == 40 else 100], np.arange(float(size)), eps_b=[eps_b], seed=1)
