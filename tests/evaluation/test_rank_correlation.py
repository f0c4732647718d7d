"""Rank correlations over trials: of trials whose order is known, and the interval's coverage of independent ones."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pytest
from scipy.stats import spearmanr

from darkclr_ray.evaluation.rank_correlation import FEWEST, rank_correlations, spearman
from darkclr_ray.evaluation.rejection import Evaluation, evaluate


def judged(shift: float) -> Evaluation:
    background = np.linspace(-2, 2, 400)
    pt, events = np.full(400, 200.0), np.arange(400)
    return evaluate(background, background + shift, pt, pt, events, events + 400, seed=1, replicas=2)


@dataclass
class ToyTrial:
    number: int
    objectives: dict[str, float]
    state: str = "COMPLETE"
    parameters: dict[str, Any] = field(default_factory=dict)
    validation: dict[str, Any] = field(default_factory=dict)

    @property
    def test(self) -> dict[str, dict[str, Evaluation]]:
        return {"s_NAE": {"a": EVALUATIONS[self.number]}}


EVALUATIONS = [judged(0.05 * number) for number in range(12)]


def trials(blind, left_out):
    pairs = enumerate(zip(blind, left_out, strict=True))
    return [ToyTrial(n, {"signal_blind": float(one), "leave_out:a": float(other)}) for n, (one, other) in pairs]


def test_agreement_and_contradiction():
    places = np.arange(12)
    blind, left_out = rank_correlations(trials(places**2, -places), score="s_NAE")
    assert (blind.criterion, blind.signal, blind.trials) == ("signal_blind", "a", 12)
    assert (blind.value, blind.low, blind.high) == pytest.approx((1.0, 1.0, 1.0))
    assert (left_out.criterion, left_out.value) == ("leave_out:a", pytest.approx(-1.0))


def test_an_independent_criterion_is_within_its_interval():
    order = np.array([5, 0, 9, 3, 11, 7, 1, 8, 2, 10, 4, 6])
    blind, _ = rank_correlations(trials(order, order), score="s_NAE")
    ranks = 1 - 6 * np.square(order - np.arange(12)).sum() / (12 * (12**2 - 1))
    assert blind.value == pytest.approx(ranks)
    assert blind.low < 0 < blind.high


def test_few_trials_and_equal_ones_say_nothing():
    few = trials(range(12), range(12))[: FEWEST - 1]
    assert rank_correlations(few, score="s_NAE") == ()
    assert rank_correlations([replace(few[0], state="FAIL")], score="s_NAE") == ()
    blind, left_out = rank_correlations(trials([1.0] * 12, range(12)), score="s_NAE")
    assert np.isnan(blind.value)
    assert left_out.value == pytest.approx(1.0)


def test_many_sets_of_pairs_have_the_correlations_of_scipy() -> None:
    """With ties, and nan for a constant column."""
    pairs = np.random.default_rng(1).integers(0, 5, (50, 9, 2)).astype(float)
    expected = [spearmanr(one[:, 0], one[:, 1]).statistic for one in pairs]
    assert spearman(pairs) == pytest.approx(expected, abs=1e-12)
    pairs[0, :, 1] = 3.0
    assert np.isnan(spearman(pairs)[0])
