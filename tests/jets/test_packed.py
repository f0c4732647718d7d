"""Packed jets against lists of jets."""

from __future__ import annotations

from dataclasses import fields

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st

from darkclr_ray.jets.packed import Jets
from darkclr_ray.jets.preprocessing import network_inputs
from darkclr_ray.settings import InputSettings


def jets_of(sizes: list[int]) -> Jets:
    return Jets.from_lists([[[float(9 - i), 0.1 * jet, 0.0] for i in range(size)] for jet, size in enumerate(sizes)])


@given(st.lists(st.integers(1, 5), min_size=1, max_size=8), st.slices(8), st.sampled_from([None, 1, 3]))
@examples(max_examples=200)
def test_a_slice_is_what_its_indices_take(sizes: list[int], some: slice, hardest: int | None) -> None:
    jets = jets_of(sizes)
    some = slice(some.start, some.stop)
    expected = jets.take(np.arange(len(jets))[some], hardest=hardest)
    for field in fields(Jets):
        found = getattr(jets.take(some, hardest=hardest), field.name)
        np.testing.assert_array_equal(found, getattr(expected, field.name))


def test_a_slice_shares_memory_and_has_no_steps() -> None:
    jets = jets_of([3, 1, 4])
    assert np.shares_memory(jets.take(slice(1, 3)).constituents, jets.constituents)
    assert jets.concatenate([jets]) is jets
    with pytest.raises(ValueError, match="one after the other"):
        jets.take(slice(0, 3, 2))


def test_jets_without_constituents_are_refused() -> None:
    """In sums over jets an empty one would get its neighbour's."""
    with pytest.raises(ValueError, match="jet 1 has no constituents"):
        jets_of([2, 0, 3])
    jets = jets_of([2, 3])
    kinematics = np.zeros((3, 4), np.float32)
    empty = Jets(jets.constituents, np.array([0, 0, 2, 5]), np.arange(3), np.arange(3), kinematics)
    with pytest.raises(ValueError, match="jet 0 of 3 has no constituents"):
        network_inputs(empty, InputSettings())
    constituents, offsets = network_inputs(jets.take(np.arange(0)), InputSettings())
    assert constituents.shape == (0, 3)
    assert offsets.tolist() == [0]
