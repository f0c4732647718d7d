"""Dropping: a binomial law, a survivor in each jet, and the jet's pT kept, whichever is asked for."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import numpy as np
import pytest
from scipy import stats

from darkclr_ray.augmentations.dropping import Dropping
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
