"""Objectives against numbers worked out by hand."""

from __future__ import annotations

import math
import sys
import types

import numpy as np
import pytest

from darkclr_ray.evaluation.rejection import Evaluation, evaluate
from darkclr_ray.study import objectives
from darkclr_ray.study.objectives import ObjectiveInput


def evaluation(signal_shift: float, seed: int) -> Evaluation:
    random = np.random.default_rng(seed)
    background, signal = random.normal(size=2000), random.normal(signal_shift, size=1000)
    pt_background, pt_signal = random.uniform(150, 300, 2000), random.uniform(200, 300, 1000)
    events = np.arange(2000)
    return evaluate(background, signal, pt_background, pt_signal, events, events[:1000], seed=1, replicas=2)


@pytest.fixture(scope="module")
def objective_input() -> ObjectiveInput:
    return ObjectiveInput({"aachen": evaluation(1.5, 1), "mass_10": evaluation(0.8, 2)}, evaluation(0.4, 3))


def log_rejection(evaluation: Evaluation, side: str) -> float:
    return math.log(evaluation.to_json()[side]["rejection"]["0.2"]["value"])


def test_named_objectives(objective_input: ObjectiveInput) -> None:
    aachen, mass = objective_input.signals.values()
    signals = list(objective_input.signals)
    matched = [log_rejection(aachen, "matched"), log_rejection(mass, "matched")]
    raw = [log_rejection(aachen, "raw"), log_rejection(mass, "raw")]
    expected = {
        "matched": sum(matched) / 2,
        "raw": sum(raw) / 2,
        "worst": min(matched),
        "signal_blind": objective_input.blind.raw.auc,
        "leave_out:aachen": matched[1],
        "leave_out:mass_10": matched[0],
    }
    names = objectives.all_named(signals, "matched")
    assert set(names) == set(expected)
    for name in names:
        assert objectives.find(name, signals)(objective_input) == pytest.approx(expected[name], rel=1e-12)


def test_the_signal_blind_one_sees_no_signal(objective_input: ObjectiveInput) -> None:
    other = ObjectiveInput({"aachen": objective_input.signals["mass_10"]}, objective_input.blind)
    blind = objectives.find("signal_blind", ["aachen"])
    assert blind(objective_input) == blind(other)


def test_one_of_your_own(objective_input: ObjectiveInput, monkeypatch: pytest.MonkeyPatch) -> None:
    module = types.ModuleType("my_objectives")
    module.auc = lambda objective_input: objective_input.signals["aachen"].raw.auc  # type: ignore[attr-defined]
    module.word = "auc"  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "my_objectives", module)
    assert (
        objectives.find("my_objectives:auc", ["aachen"])(objective_input) == objective_input.signals["aachen"].raw.auc
    )
    for name in ("my_objectives:word", "my_objectives:nothing", "no_such_module_here:auc"):
        with pytest.raises(ValueError, match=r"search\.objective"):
            objectives.find(name, ["aachen"])


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("matcht", "did you mean 'matched'"),
        ("leave_out", "leave_out:SIGNAL"),
        ("leave_out:achen", "did you mean 'aachen'"),
        ("my module:x", "module:name"),
        ("module:", "module:name"),
        (":x", "module:name"),
        ("", "unknown objective"),
    ],
)
def test_what_is_no_objective_is_refused(name: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        objectives.check(name, ["aachen", "mass_10"])


def test_nothing_left_after_leaving_one_out() -> None:
    with pytest.raises(ValueError, match="no signal at all"):
        objectives.check("leave_out:aachen", ["aachen"])
    assert objectives.all_named(["aachen"], "matched") == ("matched", "raw", "worst", "signal_blind")
