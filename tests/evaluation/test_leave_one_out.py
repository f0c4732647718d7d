import json
import math
from types import SimpleNamespace

import numpy as np
import pytest

from darkclr_ray.evaluation.leave_one_out import leave_one_out
from darkclr_ray.evaluation.rejection import evaluate

SIGNALS = ("a", "b", "c")


def evaluation(separation, seed):
    normal = np.random.default_rng(seed).normal
    pt, events = np.full(1000, 200.0), np.arange(1000)
    scores = normal(size=1000), normal(separation, size=500)
    return evaluate(*scores, pt, pt[:500], events, events[:500], seed=1, replicas=5)


def trial(number, validation, blind, test=(1.0, 1.0, 1.0)):
    """A complete trial whose score separates the signals by so many standard deviations."""
    return SimpleNamespace(
        number=number,
        state="COMPLETE",
        parameters={"d_z": 10 * number},
        objectives={"signal_blind": blind},
        **{
            split: {"s": {name: evaluation(far, seed) for name, far in zip(SIGNALS, separations, strict=True)}}
            for split, separations, seed in (("validation", validation, 1), ("test", test, 2 + number))
        },
    )


@pytest.fixture(scope="module")
def trials():
    return [
        trial(3, (0.2, 1.2, 1.0), 0.4),
        trial(1, (2.0, 0.3, 0.2), 0.5, test=(2.0, 0.5, 0.5)),
        trial(2, (0.2, 0.2, 1.1), 0.6),
        SimpleNamespace(number=4, state="PRUNED", parameters={}, objectives={}, validation={}, test={}),
    ]


def test_who_chooses_which_trial(trials):
    found = {one.signal: one for one in leave_one_out(trials, score="s")}
    # by hand: the sums of the separations of the other signals, and the separations of the signal itself
    chosen = {name: (one.left_out.trial, one.oracle.trial, one.signal_blind.trial) for name, one in found.items()}
    assert chosen == {"a": (3, 1, 2), "b": (1, 3, 2), "c": (1, 2, 2)}
    assert found["a"].left_out.parameters == {"d_z": 30}


def test_what_was_chosen_is_judged_on_test_jets(trials):
    [one, *_] = leave_one_out(trials, score="s")
    by_number = {trial.number: trial for trial in trials}
    for choice in (one.left_out, one.oracle):
        at = by_number[choice.trial].test["s"]["a"]
        assert (choice.raw, choice.raw_low, choice.raw_high) == (
            at.raw.at(0.2).value,
            at.raw.at(0.2).bootstrap_low,
            at.raw.at(0.2).bootstrap_high,
        )
        assert choice.matched == at.matched.at(0.2).value
    assert one.loss == pytest.approx(one.oracle.matched / one.left_out.matched)
    assert one.loss > 2.0
    seen = [by_number[3].validation["s"][name].matched.at(0.2).value for name in "bc"]
    assert one.left_out.objective == pytest.approx((math.log(seen[0]) + math.log(seen[1])) / 2)
    assert json.loads(json.dumps(one.to_json()))["oracle"]["trial"] == 1


def surviving(*jets):
    """An evaluation on 1,000 background jets of one pT, of which so many survive the cut, for each signal."""
    pt, events, judged = np.full(1000, 200.0), np.arange(1000), {}
    for name, count in zip(SIGNALS, jets, strict=True):
        background, signal = np.where(events < count, 2.0, 0.0), np.ones(500)
        judged[name] = evaluate(background, signal, pt, pt[:500], events, events[:500], seed=1, replicas=5)
    return {"s": judged}


@pytest.mark.parametrize(("oracle", "other", "loss"), [(0, 2, 2.0), (2, 0, 0.5), (4, 20, 5.0), (0, 0, 1.0)])
def test_fewer_survivors_are_never_the_lesser_rejection(oracle, other, loss):
    """Though the bound of a cut that none of 1,000 jets survives (334) lies below the rejection with two (500)."""
    trials = [trial(1, (0, 0, 0), 0.0), trial(2, (0, 0, 0), 0.0)]
    trials[0].validation, trials[0].test = surviving(5, 50, 50), surviving(oracle, 9, 9)
    trials[1].validation, trials[1].test = surviving(50, 5, 5), surviving(other, 9, 9)
    [one, *_] = leave_one_out(trials, score="s")
    assert (one.oracle.trial, one.left_out.trial) == (1, 2)
    assert (one.oracle.matched_bound, one.left_out.matched_bound) == (oracle == 0, other == 0)
    assert one.loss == pytest.approx(loss)


def test_trials_without_a_blind_objective(trials):
    dumb = [SimpleNamespace(**{**vars(trial), "objectives": {}}) for trial in trials]
    assert all(one.signal_blind is None for one in leave_one_out(dumb, score="s"))


def test_impossible_searches_are_refused(trials):
    with pytest.raises(ValueError, match="of 4 trials none is complete with a score 's_NAE'"):
        leave_one_out(trials)
    alone = SimpleNamespace(**{**vars(trials[0]), "test": {"s": {"a": trials[0].test["s"]["a"]}}})
    with pytest.raises(ValueError, match="leaves nothing to select on"):
        leave_one_out([alone], score="s")
