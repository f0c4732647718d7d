"""Schema of jets on disk, and the conversion between Arrow tables and packed arrays."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from darkclr_ray.jets.packed import Jets

KINEMATICS = ("pt", "eta", "phi", "mass")
CONSTITUENTS = ("constituent_pt", "constituent_eta", "constituent_phi")

SCHEMA = pa.schema(
    [
        ("jet_id", pa.int64()),
        ("event_id", pa.int64()),
        ("sample", pa.string()),
        *((name, pa.float32()) for name in KINEMATICS),
        *((name, pa.list_(pa.float32())) for name in CONSTITUENTS),
    ]
)
"""Schema with one row per jet: pT and mass in GeV, angles in radians, phi in [-pi, pi).

Constituents are in descending pT; their eta and phi are relative to the jet axis.
"""


def to_jets(table: pa.Table) -> Jets:
    """Return the packed jets of a table that has the schema's columns."""
    offsets = np.concatenate([[0], np.cumsum(list_sizes(table.column(CONSTITUENTS[0])))]).astype(np.int64)
    return Jets(
        np.stack([list_values(table.column(name)).to_numpy() for name in CONSTITUENTS], axis=1),
        offsets,
        table.column("jet_id").to_numpy(),
        table.column("event_id").to_numpy(),
        np.stack([table.column(name).to_numpy() for name in KINEMATICS], axis=1),
    )


def to_table(jets: Jets, sample: str) -> pa.Table:
    """Return a table with the schema's columns, in which all jets have the sample name ``sample``."""
    offsets = pa.array(jets.offsets.astype(np.int32))
    lists = [pa.ListArray.from_arrays(offsets, pa.array(column)) for column in jets.constituents.T]
    columns = [pa.array(jets.ids), pa.array(jets.events), pa.array([sample] * len(jets), pa.string())]
    columns += [pa.array(column) for column in jets.kinematics.T]
    return pa.Table.from_arrays([*columns, *lists], schema=SCHEMA)


def list_values(column: pa.ChunkedArray) -> pa.Array:
    """Return the concatenated entries of a list column."""
    return pa.chunked_array([chunk.flatten() for chunk in column.chunks], column.type.value_type).combine_chunks()


def list_sizes(column: pa.ChunkedArray) -> NDArray[np.int64]:
    """Return the number of entries in each row of a list column."""
    sizes = [chunk.value_lengths().to_numpy() for chunk in column.chunks]
    return np.concatenate([np.zeros(0, np.int64), *sizes]).astype(np.int64)


def schema_fault(schema: pa.Schema) -> str | None:
    """Return what is wrong with the columns of a file, or None. Columns beyond the schema are ignored."""
    for field in SCHEMA:
        if schema.names.count(field.name) > 1:
            return f"column {field.name!r} is there twice; keep one of them"
        if field.name not in schema.names:
            there = ", ".join(name if name.isprintable() else repr(name) for name in schema.names)
            return f"column {field.name!r} is missing; the file has {there or 'no columns'}"
        if kind(schema.field(field.name).type) != kind(field.type):
            return f"column {field.name!r} has type {schema.field(field.name).type}, expected {field.type}"
    return None


def kind(of: pa.DataType) -> str:
    """Return a type's name, the same for variants with the same values: large lists, dictionaries.

    >>> kind(pa.large_list(pa.float32())), kind(pa.dictionary(pa.int32(), pa.string()))
    ('list<float>', 'string')
    """
    if pa.types.is_dictionary(of):
        return kind(of.value_type)
    if pa.types.is_list(of) or pa.types.is_large_list(of):
        return f"list<{kind(of.value_type)}>"
    return str(of).removeprefix("large_")
