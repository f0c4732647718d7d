"""Keyed random numbers: against the published sequence, the uniform and normal laws, and for independence of keys."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from darkclr_ray.randomness import KeyedRNG, digest, keyed_generator, reseed

IDS = np.arange(20_000, dtype=np.int64)
KEY = {"seed": 1, "epoch": 0, "transformation": "rotation", "draw": 0}


def jet_numbers(ids: np.ndarray = IDS, number: int = 0, **changes: object) -> np.ndarray:
    return KeyedRNG.keyed(ids, **(KEY | changes)).uniform(number=number)


def test_follows_the_published_sequence():
    """First five numbers of SplitMix64 started at 1234567 (reference implementation by S. Vigna)."""
    published = [
        6457827717110365317,
        3203168211198807973,
        9817491932198370423,
        4593380528125082431,
        16408922859458223821,
    ]
    draws = KeyedRNG(np.array([1234567], dtype=np.uint64))
    assert [draws.uniform(number=number)[0] for number in range(5)] == [(value >> 11) / 2**53 for value in published]


def test_constituents_have_places_of_their_own_in_the_sequence():
    def published(state: int, counter: int) -> int:
        z = (state + counter * 0x9E3779B97F4A7C15) % 2**64
        z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9 % 2**64
        z = (z ^ z >> 27) * 0x94D049BB133111EB % 2**64
        return z ^ z >> 31

    draws = KeyedRNG(np.array([3, 2**64 - 5], dtype=np.uint64))
    for number in (0, 1, 2):
        by_hand = [published(3, ((number + 1) << 32) + place) for place in range(4)]
        by_hand += [published(2**64 - 5, ((number + 1) << 32) + place) for place in range(2)]
        numbers = draws.uniform(np.array([0, 4, 6]), number=number)
        assert numbers.tolist() == [(value >> 40) / 2**24 for value in by_hand]


@pytest.mark.parametrize(
    "numbers",
    [
        jet_numbers(),
        jet_numbers(ids=IDS << 40),
        jet_numbers(epoch=7, draw=2),
        jet_numbers(number=3),
        np.array([jet_numbers(IDS[:1], epoch=epoch)[0] for epoch in range(3000)]),
        np.array([jet_numbers(IDS[:1], seed=seed)[0] for seed in range(3000)]),
        KeyedRNG.keyed(IDS[:500], **KEY).uniform(np.arange(501) * 40),
        KeyedRNG.keyed(IDS, **KEY).uniform(np.arange(len(IDS) + 1)),
    ],
    ids=["ids", "shifted ids", "another draw", "another number", "epochs", "seeds", "within jets", "one constituent"],
)
def test_uniform(numbers: np.ndarray):
    assert numbers.min() >= 0.0
    assert numbers.max() < 1.0
    assert stats.kstest(numbers, "uniform").pvalue > 1e-3


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (jet_numbers()[:-1], jet_numbers()[1:]),
        (jet_numbers()[::2], jet_numbers()[1::2]),
        (jet_numbers(), jet_numbers(epoch=1)),
        (jet_numbers(), jet_numbers(draw=1)),
        (jet_numbers(), jet_numbers(seed=2)),
        (jet_numbers(), jet_numbers(number=1)),
        (jet_numbers(), jet_numbers(transformation="translation")),
        (jet_numbers(), jet_numbers(ids=IDS + 2**32)),
        (jet_numbers(), KeyedRNG.keyed(IDS, **KEY).uniform(np.arange(len(IDS) + 1))),
        tuple(KeyedRNG.keyed(IDS, **KEY).uniform(np.arange(len(IDS) + 1) * 2).reshape(-1, 2).T),
    ],
    ids=["ids", "pairs", "epochs", "draws", "seeds", "numbers", "names", "high bits", "jet and constituent", "places"],
)
def test_neighbouring_keys_are_independent(one: np.ndarray, other: np.ndarray):
    assert abs(stats.pearsonr(one, other).statistic) < 4.0 / np.sqrt(len(one))
    counts, *_ = np.histogram2d(one, other, bins=16, range=[[0, 1], [0, 1]])
    assert stats.chisquare(counts.ravel()).pvalue > 1e-3


def test_every_bit_of_an_id_changes_half_of_the_bits():
    bits = 2.0**53 * jet_numbers()
    for bit in range(0, 63, 3):
        flipped = 2.0**53 * jet_numbers(IDS ^ (1 << bit))
        changed = np.bitwise_count(bits.astype(np.uint64) ^ flipped.astype(np.uint64))
        assert changed.mean() == pytest.approx(26.5, abs=5 * np.sqrt(53 / 4 / len(IDS)))


def test_normal():
    draws = KeyedRNG.keyed(IDS, **KEY)
    of_jets, of_constituents = draws.normal(), draws.normal(np.arange(len(IDS) + 1) * 3, number=1)
    for numbers in (of_jets, of_constituents):
        assert stats.kstest(numbers, "norm").pvalue > 1e-3
    assert abs(stats.pearsonr(of_jets, draws.normal(number=1)).statistic) < 4.0 / np.sqrt(len(IDS))
    assert (of_jets.dtype, of_constituents.dtype) == (np.float64, np.float32)


@given(sizes=st.lists(st.integers(1, 9), min_size=2, max_size=12), data=st.data())
@settings(max_examples=50)
def test_a_jet_does_not_see_its_batch(sizes: list[int], data: st.DataObject):
    ids = np.array(
        data.draw(st.lists(st.integers(0, 2**63 - 1), min_size=len(sizes), max_size=len(sizes), unique=True))
    )
    offsets = np.array([0, *itertools.accumulate(sizes)])
    together, jets = KeyedRNG.keyed(ids, **KEY), KeyedRNG.keyed(ids, **KEY).uniform()
    for draw in ("uniform", "normal"):
        constituents = getattr(together, draw)(offsets)
        for jet, size in enumerate(sizes):
            alone = KeyedRNG.keyed(ids[jet : jet + 1], **KEY)
            assert alone.uniform()[0] == jets[jet]
            own = constituents[offsets[jet] : offsets[jet + 1]]
            np.testing.assert_array_equal(getattr(alone, draw)(np.array([0, size])), own)


def test_generators_follow_their_key():
    assert digest("a", 1) != digest("a1") != digest(1, "a")
    np.testing.assert_array_equal(keyed_generator("x", 1).random(5), keyed_generator("x", 1).random(5))
    assert keyed_generator("x", 1).random() != keyed_generator("x", 2).random()
    import torch

    generator = torch.Generator()

    def drawn(key: int) -> torch.Tensor:
        reseed(generator, "x", key)
        return torch.rand(5, generator=generator)

    one, same, other = map(drawn, (1, 1, 2))
    assert torch.equal(one, same)
    assert not torch.equal(one, other)
