"""Shards damaged at random: each is accepted and consistent, or refused with a ValueError that names the file."""

from __future__ import annotations

import io
import random
import tempfile
import warnings
from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from darkclr_ray.jets.folder import open_jets
from darkclr_ray.jets.packed import Jets
from darkclr_ray.jets.schema import SCHEMA
from darkclr_ray.jets.shards import METADATA_KEY, write_shard
from darkclr_ray.jets.validity import jets_fault

Damage = Callable[[bytes], bytes]
"""From a good shard's bytes to a bad one's."""

TYPES = [
    *(pa.int8(), pa.int32(), pa.int64(), pa.uint64(), pa.float16(), pa.float32(), pa.float64(), pa.bool_(), pa.null()),
    *(pa.string(), pa.large_string(), pa.binary(), pa.timestamp("us"), pa.decimal128(20, 3), pa.date32()),
    *(pa.list_(pa.float32()), pa.large_list(pa.float32()), pa.list_(pa.float64()), pa.list_(pa.list_(pa.float32()))),
    *(pa.list_(pa.float32(), 3), pa.struct([("x", pa.float32())]), pa.map_(pa.string(), pa.float32())),
    *(pa.dictionary(pa.int32(), pa.string()), pa.dictionary(pa.int32(), pa.float32())),
    pa.list_(pa.dictionary(pa.int32(), pa.float32())),
]
NUMBERS = st.floats(width=32) | st.sampled_from([0.0, -0.0, 1e-45, 3.4e38, 4.0, -4.0, 200.0]) | st.none()
NAMES = st.sampled_from(SCHEMA.names)


@cache
def good() -> bytes:
    """Thirty jets in a shard as the package writes it."""
    draw = np.random.default_rng(1)
    sizes = draw.integers(1, 9, 30)
    jets = Jets.from_lists([[[100.0, 0.0, 0.0], *([90.0 / size, 0.1, -0.2],) * int(size)] for size in sizes])
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.parquet"
        write_shard(path, jets, "qcd", {"name": "qcd"})
        return path.read_bytes()


def rewritten(change: Callable[[pa.Table], pa.Table], rows: int = 7) -> Damage:
    def damage(content: bytes) -> bytes:
        target = io.BytesIO()
        pq.write_table(change(pq.read_table(io.BytesIO(content))), target, row_group_size=rows)
        return target.getvalue()

    return damage


def flipped(places: list[tuple[float, int]]) -> Damage:
    def damage(content: bytes) -> bytes:
        changed = bytearray(content)
        for place, mask in places:
            changed[int(place * len(changed))] ^= mask
        return bytes(changed)

    return damage


def cut(start: float, length: int, put: bytes) -> Damage:
    def damage(content: bytes) -> bytes:
        first = int(start * len(content))
        return content[:first] + put + content[first + length :]

    return damage


def permuted(seed: int, rows: bool) -> Damage:
    """Columns in another order, or the values of each in an order of its own."""
    mixed = random.Random(seed)

    def change(table: pa.Table) -> pa.Table:
        names = mixed.sample(table.column_names, len(table.column_names))
        if not rows:
            return table.select(names)
        orders = {name: mixed.sample(range(len(table)), len(table)) for name in names}
        return pa.table({name: table[name].take(pa.array(orders[name])) for name in table.column_names})

    return rewritten(change)


def renamed(one: str, other: str) -> Damage:
    """A column under another's name: missing, swapped with nothing, or twice."""
    return rewritten(
        lambda table: table.rename_columns([other if name == one else name for name in table.column_names])
    )


def retyped(name: str, kind: pa.DataType) -> Damage:
    def change(table: pa.Table) -> pa.Table:
        try:
            column = table[name].cast(kind, safe=False)
        except (pa.ArrowException, NotImplementedError):
            column = pa.nulls(len(table), kind)
        return table.set_column(table.schema.get_field_index(name), name, column)

    def damage(content: bytes) -> bytes:
        try:
            return rewritten(change)(content)
        except (pa.ArrowException, NotImplementedError):  # a type that Parquet has not
            return b"PAR1"

    return damage


def revalued(name: str, row: int, value: float | None) -> Damage:
    def change(table: pa.Table) -> pa.Table:
        values = table[name].to_pylist()
        field = table.schema.field(name)
        if pa.types.is_list(field.type):
            values[row] = [*values[row][:-1], value]
        elif pa.types.is_floating(field.type):
            values[row] = value
        else:
            values[row] = None
        return table.set_column(table.schema.get_field_index(name), field, pa.array(values, field.type))

    return rewritten(change)


def regrouped(sizes: list[int]) -> Damage:
    """Row groups of other sizes, some without a row; what is left over is gone."""

    def damage(content: bytes) -> bytes:
        table, target, first = pq.read_table(io.BytesIO(content)), io.BytesIO(), 0
        with pq.ParquetWriter(target, table.schema) as writer:
            for size in sizes:
                writer.write_table(table.slice(first, size))
                first += size
        return target.getvalue()

    return damage


def noted(text: bytes) -> Damage:
    return rewritten(lambda table: table.replace_schema_metadata({METADATA_KEY: text}))


DAMAGES = st.one_of(
    st.builds(flipped, st.lists(st.tuples(st.floats(0, 0.999), st.integers(1, 255)), min_size=1, max_size=8)),
    st.builds(flipped, st.lists(st.tuples(st.floats(0.7, 0.999), st.integers(1, 255)), min_size=1, max_size=3)),
    st.builds(cut, st.floats(0, 1), st.integers(0, 9000), st.binary(max_size=40)),
    st.builds(permuted, st.integers(0, 99), st.booleans()),
    st.builds(renamed, NAMES, NAMES | st.text(max_size=5)),
    st.builds(retyped, NAMES, st.sampled_from(TYPES)),
    st.builds(revalued, NAMES, st.integers(0, 29), NUMBERS),
    st.builds(regrouped, st.lists(st.integers(0, 30), max_size=6)),
    st.builds(noted, st.binary(max_size=30) | st.sampled_from([b"[" * 9999, b"{}", b"[]", b'{"counts": {}}'])),
)


def accepted_or_refused(damage: Damage) -> None:
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # that momenta look like MeV
        path = Path(folder) / "test" / "qcd" / "a.parquet"
        path.parent.mkdir(parents=True)
        path.write_bytes(damage(good()))
        refusal = None
        try:
            opened = open_jets(folder)
        except ValueError as error:
            refusal = str(error)
        if refusal is not None:
            assert str(path) in refusal
            assert "\n" not in refusal
        else:
            jets = opened.load("test", "qcd")
            assert jets_fault(jets) is None
            assert len(jets) == sum(chunk.rows for chunk in opened.chunks("test", "qcd"))
            assert len(jets) == opened.metadata("test", "qcd")["jets"] > 0
            assert open_jets(folder).fingerprint("test", "qcd") == opened.fingerprint("test", "qcd")


def test_an_undamaged_shard_is_accepted() -> None:
    accepted_or_refused(lambda content: content)


def test_the_words_of_a_refusal_stay_on_one_line() -> None:
    accepted_or_refused(renamed("jet_id", "\n"))


@given(DAMAGES)
@settings(max_examples=100, derandomize=True)
def test_damaged_shards(damage: Damage) -> None:
    accepted_or_refused(damage)


@pytest.mark.slow
@given(st.lists(DAMAGES, min_size=1, max_size=3))
@settings(max_examples=3000)
def test_shards_damaged_several_times(damages: list[Damage]) -> None:
    def damage(content: bytes) -> bytes:
        for one in damages:
            try:
                content = one(content)
            except Exception:  # too damaged to be damaged further by rewriting it
                break
        return content

    accepted_or_refused(damage)


def refused_or_fingerprint(content: bytes) -> str:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "test" / "qcd" / "a.parquet"
        path.parent.mkdir(parents=True)
        path.write_bytes(content)
        try:
            return open_jets(folder).fingerprint("test", "qcd")
        except ValueError:
            return "refused"


def test_a_flipped_bit_never_changes_jets_unnoticed() -> None:
    content = good()
    found = [
        refused_or_fingerprint(flipped([(place / len(content), 1 << place % 8)])(content))
        for place in random.Random(1).sample(range(len(content)), 100)
    ]
    assert set(found) == {"refused", refused_or_fingerprint(content)}
    assert found.count("refused") > 50
