"""Packed jets against lists of jets."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import Any

import awkward as ak
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import vector
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st

from darkclr_ray.jets.packed import Jets
from darkclr_ray.jets.preprocessing import network_inputs
from darkclr_ray.jets.shards import write_shard
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


def test_padded_and_jagged_arrays_give_the_jets_of_four_vectors() -> None:
    random = np.random.default_rng(5)
    sizes = np.array([3, 1, 7])
    padded = np.full((3, 7, 3), np.nan)
    for jet, size in enumerate(sizes):
        padded[jet, :size] = random.uniform([1.0, -2.0, 3.0], [90.0, -1.2, 3.6], (size, 3))  # across phi = pi
    padded[1, 1:] = 0.0
    jets = Jets.from_numpy(padded, events=[4, 4, 9])
    jagged = ak.Array(
        [
            [dict(zip(("pt", "eta", "phi"), row, strict=True)) for row in jet[:size]]
            for jet, size in zip(padded, sizes, strict=True)
        ]
    )
    again = Jets.from_awkward(jagged, events=[4, 4, 9])
    for field in fields(Jets):
        np.testing.assert_array_equal(getattr(jets, field.name), getattr(again, field.name))
    for jet, size in enumerate(sizes):
        rows = [vector.obj(pt=pt, eta=eta, phi=phi, mass=0) for pt, eta, phi in padded[jet, :size]]
        total = sum(rows[1:], rows[0])
        np.testing.assert_allclose(jets.kinematics[jet, :3], [total.pt, total.eta, total.phi], rtol=1e-6)
        np.testing.assert_allclose(jets.mass[jet], max(total.mass, 0), atol=1e-3, rtol=1e-4)
        own = jets[jet].constituents
        np.testing.assert_allclose(own[:, 0], np.sort(padded[jet, :size, 0])[::-1], rtol=1e-6)
    assert np.abs(jets.constituents[:, 2]).max() < 0.7
    assert jets.events.tolist() == [4, 4, 9]


@pytest.mark.parametrize(
    ("constituents", "what"),
    [([[1.0, 2.0, 3.0]], "shape"), ([[[0.0, 0.0, 0.0]]], "jet 0 has no"), ([[[-1.0, 0.0, 0.0]]], "not positive")],
)
def test_arrays_that_are_no_jets(constituents: list, what: str) -> None:
    with pytest.raises(ValueError, match=what):
        Jets.from_numpy(constituents)


def test_masks_slices_and_positions(toy_jets: Callable[..., Jets]) -> None:
    jets = toy_jets(20)
    mask = jets.multiplicity > np.median(jets.multiplicity)
    assert jets[mask].ids.tolist() == jets.ids[mask].tolist()
    assert jets[2:9:3].ids.tolist() == jets.ids[2:9:3].tolist()
    assert jets[-1].ids.tolist() == [jets.ids[-1]]
    np.testing.assert_array_equal(jets[-1].constituents, jets.constituents[jets.offsets[-2] :])
    with pytest.raises(IndexError):
        jets[20]
    with pytest.raises(IndexError):
        jets[mask[:-1]]
    assert len(repr(jets)) < 40
    assert jets._repr_html_().count("<circle") == jets.offsets[4]


def test_a_subsample_is_drawn_once_by_the_seed() -> None:
    jets = jets_of([1 + at % 5 for at in range(200)])
    assert jets.at_most(200, seed=1) is jets
    first, again, other = (jets.at_most(50, seed=seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first.ids, again.ids)
    assert len(set(first.ids.tolist())) == 50
    assert np.all(np.diff(first.ids) > 0)
    assert set(first.ids.tolist()) != set(other.ids.tolist())
    np.testing.assert_array_equal(first.constituents, jets.take(first.ids).constituents)
    drawn = np.concatenate([jets.at_most(50, seed=seed).ids for seed in range(400)])
    np.testing.assert_allclose(np.bincount(drawn, minlength=200), 100, atol=5 * 100**0.5)


def test_jets_of_a_parquet_file_are_those_of_the_same_lists(tmp_path: Path) -> None:
    random = np.random.default_rng(3)
    sizes = random.integers(1, 9, 20)
    lists = {name: [random.uniform(*ends, n).tolist() for n in sizes] for name, ends in ENDS.items()}
    table = pa.table({**{f"part_{name}": values for name, values in lists.items()}, "run": np.arange(20) // 2})
    pq.write_table(table, tmp_path / "a.parquet", row_group_size=7)
    names = {name: f"part_{name}" for name in ENDS}
    jets = Jets.from_parquet(tmp_path / "a.parquet", **names, event="run")
    padded = np.zeros((20, 9, 3))
    for jet, size in enumerate(sizes):
        padded[jet, :size] = np.transpose([lists[name][jet] for name in ENDS])
    expected = Jets.from_numpy(padded, events=np.arange(20) // 2)
    assert jets.fingerprint == expected.fingerprint
    assert (jets.events == expected.events).all()


ENDS = {"pt": (1, 40), "eta": (-1, 1), "phi": (-3, 3)}


def test_a_shard_is_read_as_it_was_written(tmp_path: Path, toy_jets) -> None:
    jets = toy_jets(20)
    write_shard(tmp_path / "shard-00000.parquet", jets, "qcd", {})
    again = Jets.from_parquet(tmp_path / "shard-00000.parquet")
    for name in ("constituents", "offsets", "ids", "events", "kinematics"):
        np.testing.assert_array_equal(getattr(again, name), getattr(jets, name))


@pytest.mark.parametrize(
    ("columns", "words"),
    [
        ({"pt": [[1.0]], "eta": [[0.0]]}, "no column 'phi'; the file has pt, eta"),
        ({"pt": [1.0], "eta": [0.0], "phi": [0.0]}, "column 'pt' holds double; expected lists of numbers"),
        ({"pt": [[1.0]], "eta": [[0.0, 0.1]], "phi": [[0.0]]}, "the lists in 'pt' and 'eta' differ in length"),
        ({"pt": [[1.0], []], "eta": [[0.0], []], "phi": [[0.0], []]}, "jet 1 has no constituents"),
        ({"pt": [[-1.0]], "eta": [[0.0]], "phi": [[0.0]]}, "a pT that is not positive"),
    ],
)
def test_parquet_of_another_kind_is_refused(tmp_path: Path, columns: dict[str, list[Any]], words: str) -> None:
    pq.write_table(pa.table(columns), tmp_path / "a.parquet")
    with pytest.raises(ValueError, match=words):
        Jets.from_parquet(tmp_path / "a.parquet")


def test_a_file_that_is_no_parquet_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.parquet").write_text("pt,eta,phi")
    with pytest.raises(ValueError, match="cannot be read as Parquet"):
        Jets.from_parquet(tmp_path / "a.parquet")
