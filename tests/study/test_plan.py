"""The plan's sums against sums by hand."""

from __future__ import annotations

import pytest

from darkclr_ray.presets import preset
from darkclr_ray.runtime.resources import Node, allocate
from darkclr_ray.settings import ComputeSettings
from darkclr_ray.study.plan import OVERHEAD, Plan

COST = {"encoder_epoch": 2.0, "reconstruction_epoch": 0.1, "divergence_epoch": 0.5, "jet": 1e-4}
JETS = {"train": {"qcd": 10000}, "validation": {"qcd": 3000, "aachen": 500}, "test": {"qcd": 6000, "aachen": 1500}}
SETTINGS = preset("laptop").updated({"search": {"trials": 6}})
ENCODER = SETTINGS.contrastive.epochs * 2.0
NAE = SETTINGS.nae.reconstruction_epochs * 0.1 + SETTINGS.nae.divergence_epochs * 0.5
FOLLOWING = NAE + 21000 * 1e-4 + OVERHEAD


def plan(cpus: int, finished: int = 0) -> Plan:
    allocation = allocate(ComputeSettings(), SETTINGS.search.trials, [Node(cpus)])
    return Plan(SETTINGS, allocation, finished, JETS, COST)


def test_one_trial_at_a_time() -> None:
    whole = plan(cpus=2)
    assert whole.encoder_seconds == pytest.approx(ENCODER)
    assert whole.follower_seconds == pytest.approx(FOLLOWING)
    # of six trials, the first and the last two have encoders of their own; and the untrained reference
    assert whole.estimate.seconds == pytest.approx(4 * ENCODER + 7 * FOLLOWING)
    assert [sum(whole.trial(number).values()) > ENCODER for number in range(6)] == [True] * 2 + [False] * 2 + [True] * 2


def test_what_is_finished_takes_no_time() -> None:
    assert plan(cpus=2, finished=5).estimate.seconds == pytest.approx(ENCODER + 2 * FOLLOWING)
    assert plan(cpus=2, finished=9).estimate.seconds == pytest.approx(FOLLOWING)


def test_two_trials_at_a_time() -> None:
    # trials 0, 1, 4 and 5 train encoders; 2 and 3 follow
    assert plan(cpus=4).estimate.seconds == pytest.approx((4 * ENCODER + 6 * FOLLOWING) / 2 + FOLLOWING)


def test_it_says_all_of_it() -> None:
    text = str(plan(cpus=2))
    for word in ("trials     6", "10000 qcd for training, 11000 to evaluate", "2 CPUs on 1 node", "about 2 min", "MB"):
        assert word in text
    assert "(4 finished before)" in str(plan(cpus=2, finished=4))
    assert max(len(line) for line in text.splitlines()) < 160


def test_an_autoencoder_without_hidden_layers_has_a_plan() -> None:
    allocation = allocate(ComputeSettings(), 1, [Node(2)])
    linear = SETTINGS.updated({"nae": {"hidden": ()}})
    assert 0 < Plan(linear, allocation, 0, JETS, COST).bytes < Plan(SETTINGS, allocation, 0, JETS, COST).bytes
