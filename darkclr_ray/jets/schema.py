"""Schema of jets on disk, and the conversion between Arrow tables and packed arrays."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from darkclr_ray.jets.columns import CONSTITUENTS, KINEMATICS
from darkclr_ray.jets.packed import Jets

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
    return Jets.from_table(table)


def to_table(jets: Jets, sample: str) -> pa.Table:
    """Return a table with the schema's columns, in which all jets have the sample name ``sample``."""
    offsets = pa.array(jets.offsets.astype(np.int32))
    lists = [pa.ListArray.from_arrays(offsets, pa.array(column)) for column in jets.constituents.T]
    columns = [pa.array(jets.ids), pa.array(jets.events), pa.array([sample] * len(jets), pa.string())]
    columns += [pa.array(column) for column in jets.kinematics.T]
    return pa.Table.from_arrays([*columns, *lists], schema=SCHEMA)


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
