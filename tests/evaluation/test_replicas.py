import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from darkclr_ray.evaluation import replicas
from darkclr_ray.evaluation.bootstrap import Draws
from darkclr_ray.evaluation.matching import PtBins, bin_weights
from darkclr_ray.evaluation.replicas import RankedJets, replicated, weighted_means
from darkclr_ray.evaluation.roc import Ranking
from darkclr_ray.evaluation.scored import Scored

EPS_S = np.array([0.05, 0.2, 0.5, 1.0])


def one_by_one(background, signal, *, seed, number, shared=False):
    """Each replica's curve by itself, from weights of all jets."""
    ranking, bins = Ranking(background.scores, signal.scores), PtBins.of(background.pt, signal.pt)
    every, words = slice(None), range(-(-number // 8))
    counts = Draws(background.events, seed=seed, sample="background").counts(every, words)
    signals = Draws(signal.events, seed=seed, sample="background" if shared else "signal").counts(every, words)
    found = []
    for ours, theirs in zip(counts.T[:number], signals.T[:number], strict=True):
        if ours.any() and theirs.any():
            in_bins = [np.bincount(at, n, bins.number) for at, n in ((bins.background, ours), (bins.signal, theirs))]
            weights = bin_weights(*in_bins)[bins.background] * ours
            curves = ranking.roc(ours, theirs), ranking.roc(weights, theirs)
            found.append([[curve.auc, *curve.background_efficiency(EPS_S)] for curve in curves])
        else:
            found.append(np.full((2, 1 + len(EPS_S)), np.nan))
    return np.array(found)


def sample(generator, size, shift, decimals):
    scores = generator.normal(shift, size=size).round(decimals)
    return Scored(scores, 150 + generator.exponential(50, size=size), generator.integers(size, size=size))


@pytest.mark.parametrize("decimals", [9, 1, 0])
@pytest.mark.parametrize("shared", [False, True])
@pytest.mark.parametrize("block", [replicas.BLOCK, 3000])
def test_replicas_are_those_of_weighted_curves(decimals, shared, block, monkeypatch):
    monkeypatch.setattr(replicas, "BLOCK", block)
    monkeypatch.setattr(replicas, "CUMULATIVE", block)
    generator = np.random.default_rng(1)
    background = sample(generator, 900, 0.0, decimals)
    signals = {"a": sample(generator, 400, 1.0, decimals), "b": sample(generator, 150, 2.0, decimals)}
    found = replicated(RankedJets.of(background, signals), EPS_S, seed=1, replicas=61, shared=shared)
    for name, signal in signals.items():
        expected = one_by_one(background, signal, seed=1, number=61, shared=shared)
        np.testing.assert_allclose(found[name], expected, rtol=1e-6)


jets = st.lists(st.tuples(st.integers(-3, 3), st.floats(150.0, 300.0), st.integers(0, 9)), min_size=1, max_size=60)


@settings(max_examples=50)
@given(jets, jets)
def test_replicas_of_any_jets_are_those_of_weighted_curves(background, signal):
    samples = [Scored(*(np.array(column) for column in zip(*some, strict=True))) for some in (background, signal)]
    found = replicated(RankedJets.of(samples[0], {"a": samples[1]}), EPS_S, seed=1, replicas=16)["a"]
    np.testing.assert_allclose(found, one_by_one(*samples, seed=1, number=16), rtol=1e-6, atol=1e-7)


def test_replicas_do_not_depend_on_how_many_there_are_or_on_the_order_of_jets():
    generator = np.random.default_rng(2)
    background, signal = sample(generator, 500, 0.0, 9), sample(generator, 200, 1.0, 9)
    few, many = (
        replicated(RankedJets.of(background, {"a": signal}), EPS_S, seed=3, replicas=number)["a"] for number in (5, 40)
    )
    np.testing.assert_array_equal(few, many[:5])
    order = generator.permutation(500)
    moved = Scored(background.scores[order], background.pt[order], background.events[order])
    again = replicated(RankedJets.of(moved, {"a": signal}), EPS_S, seed=3, replicas=40)["a"]
    np.testing.assert_array_equal(again, many)


def test_weighted_means_are_those_of_the_jets_written_out():
    jets = sample(np.random.default_rng(4), 300, 0.0, 9)
    counts = Draws(jets.events, seed=5, sample="background").counts(slice(None), range(2)).astype(int)
    expected = [np.repeat(jets.scores, times).mean() for times in counts.T]
    np.testing.assert_allclose(weighted_means(jets, seed=5, replicas=16), expected, rtol=1e-12)
