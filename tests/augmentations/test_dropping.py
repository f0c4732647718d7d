"""Dropping: a binomial law, a survivor in each jet, and the jet's pT kept, whichever is asked for."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import optimize, stats

from darkclr_ray.augmentations.dropping import Dropping
from darkclr_ray.benchmarks.inputs import starter_background
from darkclr_ray.jets.packed import Jets
from darkclr_ray.randomness import KeyedRNG

KEY = {"seed": 3, "epoch": 1, "transformation": "dropping", "draw": 2}


def total_pt(constituents: np.ndarray, offsets: np.ndarray, which: str) -> np.ndarray:
    """In double precision, jet by jet."""
    totals = []
    for first, last in itertools.pairwise(offsets):
        pt, phi = constituents[first:last, 0].astype(float), constituents[first:last, 2].astype(float)
        totals.append(abs(np.sum(pt * np.exp(1j * phi))) if which == "vector" else pt.sum())
    return np.array(totals)


@pytest.mark.parametrize("which", ["vector", "scalar"])
@pytest.mark.parametrize("p_drop", [0.0, 0.3, 0.7, 0.99])
def test_keeps_pt(toy_jets: Callable[..., Jets], which: str, p_drop: float):
    jets = toy_jets(1000)
    left, offsets = Dropping(p_drop, which)(jets.constituents, jets.offsets, KeyedRNG.keyed(jets.ids, **KEY))
    assert np.diff(offsets).min() >= 1
    before = total_pt(jets.constituents, jets.offsets, which)
    np.testing.assert_allclose(total_pt(left, offsets, which), before, rtol=6 * np.finfo(np.float32).eps)


@pytest.fixture(scope="module")
def qcd() -> Jets:
    return starter_background().take(slice(0, 2000))


@pytest.mark.parametrize("p_drop", [0.3, (0.1, 0.7), 0.95])
def test_the_floor_is_kept(qcd: Jets, p_drop: float | tuple[float, float]):
    draws = KeyedRNG.keyed(qcd.ids, **KEY)
    left, offsets = Dropping(p_drop, "floor")(qcd.constituents, qcd.offsets, draws)
    before = total_pt(qcd.constituents, qcd.offsets, "vector")
    np.testing.assert_allclose(total_pt(left, offsets, "vector"), before, rtol=3e-7)
    scaled, there = Dropping(p_drop, "vector")(qcd.constituents, qcd.offsets, draws)
    np.testing.assert_array_equal(there, offsets)
    np.testing.assert_array_equal(left[:, 1:], scaled[:, 1:])
    softest = np.minimum.reduceat(left[:, 0], offsets[:-1])
    assert (softest >= 0.5).all()
    if p_drop != 0.95:
        soft = np.add.reduceat(left[:, 0] < 1.0, offsets[:-1]).mean()
        lifted = np.add.reduceat(scaled[:, 0] < 1.0, offsets[:-1]).mean()
        kept = 1 - np.mean(p_drop)
        expected = kept * np.add.reduceat(qcd.constituents[:, 0] < 1.0, qcd.offsets[:-1]).mean()
        assert 0.75 * expected < soft <= expected * 1.05
        assert lifted < 0.75 * soft


def test_the_floor_as_by_hand(qcd: Jets):
    """The factor of the formula, found by a root finder, jet by jet."""
    few = qcd.take(slice(0, 100))
    draws = KeyedRNG.keyed(few.ids, **KEY)
    left, offsets = Dropping(0.5, "floor")(few.constituents, few.offsets, draws)
    before = total_pt(few.constituents, few.offsets, "vector")
    numbers = draws.uniform(few.offsets)
    for jet in range(len(few)):
        rows = slice(*few.offsets[jet : jet + 2])
        kept = few.constituents[rows][numbers[rows] >= 0.5].astype(float)
        pt, share = kept[:, 0], np.clip((kept[:, 0] - 0.5) / 2.5, 0, 1)

        def excess(k: float, pt=pt, share=share, phi=kept[:, 2], before=before[jet]) -> float:
            return abs(np.sum(pt * (1 + (k - 1) * share) * np.exp(1j * phi))) - before

        k = optimize.brentq(excess, 1.0, 1e4, xtol=1e-13, rtol=1e-13)
        np.testing.assert_allclose(left[slice(*offsets[jet : jet + 2]), 0], pt * (1 + (k - 1) * share), rtol=1e-6)


CONSTITUENT = st.tuples(st.floats(0.015625, 200.0, width=32), *(st.floats(-0.75, 0.75, width=32),) * 2)


@given(
    jets=st.lists(st.lists(CONSTITUENT, min_size=1, max_size=20), min_size=1, max_size=5),
    p_drop=st.floats(0.0, 0.99),
    threshold=st.sampled_from([0.0, 0.5, 1.0]),
    ramp=st.sampled_from([0.5, 2.5]),
)
def test_no_constituent_crosses_the_threshold(jets: list, p_drop: float, threshold: float, ramp: float):
    packed = Jets.from_lists([sorted(jet, reverse=True) for jet in jets])
    draws = KeyedRNG.keyed(packed.ids, **KEY)
    dropping = Dropping(p_drop, "floor", threshold, ramp)
    left, offsets = dropping(packed.constituents, packed.offsets, draws)
    before = total_pt(packed.constituents, packed.offsets, "vector")
    np.testing.assert_allclose(total_pt(left, offsets, "vector"), before, rtol=1e-6)
    kept = draws.uniform(packed.offsets) >= np.float32(p_drop)
    for jet, (first, last) in enumerate(itertools.pairwise(packed.offsets)):
        after = left[slice(*offsets[jet : jet + 2]), 0]
        assert (np.diff(after) <= 0).all()
        own = packed.constituents[first:last, 0][kept[first:last]]
        hard = np.clip((own - threshold) / ramp, 0, 1)
        if (own * hard).sum() > 1e-4 * before[jet]:
            np.testing.assert_array_equal(after >= threshold, own >= threshold)
            np.testing.assert_array_equal(after[own <= threshold], own[own <= threshold])


def test_jets_below_the_threshold_are_scaled_alike():
    jets = Jets.from_lists([[[0.4, 0.0, 0.0]] * 50] * 20)
    left, offsets = Dropping(0.5, "floor")(jets.constituents, jets.offsets, KeyedRNG.keyed(jets.ids, **KEY))
    np.testing.assert_allclose(left[:, 0], np.repeat(20.0 / np.diff(offsets), np.diff(offsets)), rtol=1e-6)


def test_drops_as_by_hand(toy_jets: Callable[..., Jets]):
    jets = toy_jets(400, most=6)
    draws = KeyedRNG.keyed(jets.ids, **KEY)
    left, offsets = Dropping(0.8, "scalar")(jets.constituents, jets.offsets, draws)
    numbers = draws.uniform(jets.offsets)
    rescued = 0
    for jet in range(len(jets)):
        rows = slice(*jets.offsets[jet : jet + 2])
        own, jet_before = numbers[rows], jets.constituents[rows].astype(float)
        kept = own >= np.float32(0.8)
        if not kept.any():
            kept[own.argmax()] = True
            rescued += 1
        by_hand = jet_before[kept]
        by_hand[:, 0] *= jet_before[:, 0].sum() / by_hand[:, 0].sum()
        np.testing.assert_allclose(left[offsets[jet] : offsets[jet + 1]], by_hand, rtol=1e-6)
    assert rescued > 50


@pytest.mark.parametrize("p_drop", [0.1, 0.5, 0.7])
def test_drops_a_binomial_number(p_drop: float):
    count, size = 20_000, 50
    offsets = np.arange(count + 1) * size
    constituents = np.ones((count * size, 3), dtype=np.float32)
    _, left = Dropping(p_drop)(constituents, offsets, KeyedRNG.keyed(np.arange(count), **KEY))
    survivors = np.bincount(np.diff(left), minlength=size + 1)
    expected = stats.binom(size, 1 - p_drop).pmf(np.arange(size + 1)) * count
    common = expected > 10
    rest = ([survivors[~common].sum()], [expected[~common].sum()])
    observed, law = (np.append(x[common], y) for x, y in zip((survivors, expected), rest, strict=True))
    assert stats.chisquare(observed, law * observed.sum() / law.sum()).pvalue > 1e-3


def test_each_jet_draws_its_probability_from_a_range():
    count, size = 2_000, 400
    offsets = np.arange(count + 1) * size
    constituents = np.ones((count * size, 3), dtype=np.float32)
    _, left = Dropping((0.2, 0.6))(constituents, offsets, KeyedRNG.keyed(np.arange(count), **KEY))
    dropped = 1 - np.diff(left) / size
    variance = 0.4**2 / 12 + np.mean([p * (1 - p) for p in np.linspace(0.2, 0.6, 101)]) / size
    assert dropped.mean() == pytest.approx(0.4, abs=5 * np.sqrt(variance / count))
    assert dropped.var() == pytest.approx(variance, rel=0.1)


def test_one_constituent_always_stays():
    jets = Jets.from_lists([[[7.0, 0.1, 0.2]]] * 500)
    left, offsets = Dropping(0.99)(jets.constituents, jets.offsets, KeyedRNG.keyed(jets.ids, **KEY))
    np.testing.assert_array_equal(offsets, jets.offsets)
    np.testing.assert_allclose(left, jets.constituents, rtol=1e-6)
