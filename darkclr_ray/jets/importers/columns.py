"""Jets in columns of any layout, by naming them: Parquet, Arrow or Feather files (awkward's too), and ROOT trees.

A column of constituents holds a list a jet (jagged, or padded with zeros to one length); ``a.b`` is field b of the
records in column a. Or constituents stand side by side, a column each (:mod:`~darkclr_ray.jets.importers.wide`). ROOT
files hold them in trees or in RNTuples, Arrow files as the file or the stream format.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from darkclr_ray.jets.importers import wide
from darkclr_ray.jets.importers.build import build_jets, check_columns
from darkclr_ray.jets.importers.momenta import CONSTITUENT
from darkclr_ray.jets.importers.options import ImportOptions
from darkclr_ray.jets.importers.unselected import (
    CannotImport,
    Floats,
    Integers,
    Source,
    UnselectedJets,
    converting,
    read_each,
    reading,
    require,
)

FORMAT = "columns"
ROWS = 10_000
ARROW_STREAM = b"\xff\xff\xff\xff"
"""First bytes of an Arrow stream; the Arrow file format has a magic name instead."""

Container = Literal["root", "parquet", "arrow"]


@dataclass(frozen=True)
class Store:
    """File of columns that was opened.

    Attributes:
        rows: number of jets or events.
        columns: names and types of the columns.
        batches: function from names of top-level columns to an iterator of awkward record arrays of bounded length.
    """

    rows: int
    columns: Mapping[str, str]
    batches: Callable[[list[str]], Iterator[Any]]


def open_store(path: Path, container: Container, tree: str | None = None, rows: int = ROWS) -> Store:
    """Open a file of columns; ``tree`` names the tree of a ROOT file. Raises CannotImport if it is damaged."""
    if container == "root":
        return _open_root(path, tree, rows)
    require("awkward")
    return _open_parquet(path, rows) if container == "parquet" else _open_arrow(path)


def open_source(path: Path, options: ImportOptions, container: Container, tree: str | None = None) -> Source:
    """Return the jets in named columns. Raises CannotImport, with the existing columns, if some are missing."""
    store = open_store(path, container, tree)
    if wide.looks_like(store.columns, options):
        return _side_by_side(path, store, options)
    if not options.columns:
        raise CannotImport(
            f"{path}: which columns hold the constituents? Say --columns pt=NAME eta=NAME phi=NAME, or px, "
            f"py, pz, E; {_listed(store)}"
        )
    return named_columns(path, store, options.columns, options, FORMAT)


def _side_by_side(path: Path, store: Store, options: ImportOptions) -> Source:
    def stretches(names: list[str]) -> Iterator[dict[str, NDArray[Any]]]:
        for batch in store.batches(names):
            with converting(path, "its columns"):
                yield {name: _one_a_jet(path, batch, name) for name in names}

    return wide.open_source(path, FORMAT, list(store.columns), store.rows, stretches, options)


def named_columns(
    path: Path,
    store: Store,
    columns: Mapping[str, str],
    options: ImportOptions,
    name: str,
    label: tuple[list[str], Callable[[Any], NDArray[np.str_]]] | None = None,
) -> Source:
    """Return the jets of a store by the names of its columns; ``label`` computes the label from several columns."""
    check_columns(path, columns, options.unit)
    several, make_label = label or ([], None)
    wanted = list(dict.fromkeys([*columns.values(), *several]))
    tops = {column: _top(column, store) for column in wanted}
    missing = [column for column, top in tops.items() if top not in store.columns]
    if missing:
        raise CannotImport(f"{path}: no column {', '.join(missing)} in it; {_listed(store)}")

    def stream(_: str) -> Iterator[UnselectedJets]:
        first = 0
        for batch in store.batches(list(dict.fromkeys(tops.values()))):
            with converting(path, f"jets from {first} on"):
                flat, offsets = _constituents(path, batch, columns, first)
                own = {
                    role: _one_a_jet(path, batch, place) for role, place in columns.items() if role not in CONSTITUENT
                }
            if make_label:
                own["label"] = make_label(batch)
            yield build_jets(path, flat, offsets, own, options, first)
            first += len(batch)

    understood = {"columns": dict(columns), "unit": options.unit or "GeV", "angles": options.angles or "absolute"}
    return Source(name, "jets", store.rows, stream, understood)


def _constituents(path: Path, batch: Any, columns: Mapping[str, str], first: int) -> tuple[dict[str, Floats], Integers]:
    import awkward as ak

    places = {role: place for role, place in columns.items() if role in CONSTITUENT}
    lists = {role: _field(path, batch, place) for role, place in places.items()}
    for role, values in lists.items():
        if values.ndim != 2 or values.fields or "string" in str(values.type):
            hint = f"; say {role}={places[role]}.FIELD" if values.fields else ""
            raise CannotImport(
                f"{path}: --columns {role}={places[role]}: expected a list of numbers a jet, it is {values.type}{hint}"
            )
    # a jet with a missing list has no constituents
    missing = np.any([ak.to_numpy(ak.is_none(values)) for values in lists.values()], axis=0)
    lists = {role: ak.fill_none(ak.mask(values, ~missing), [], axis=0) for role, values in lists.items()}
    sizes = {role: ak.to_numpy(ak.num(values)) for role, values in lists.items()}
    expected = next(iter(sizes.values()))
    for role, found in sizes.items():
        if np.any(found != expected):
            jet = int(np.argmax(found != expected))
            raise CannotImport(
                f"{path}: column {places[role]} has another number of constituents than the others: jet "
                f"{first + jet} (counted from 0) has {found[jet]} instead of {expected[jet]}"
            )
    flat = {role: ak.flatten(ak.fill_none(values, np.nan, axis=-1)) for role, values in lists.items()}
    offsets = np.concatenate([[0], np.cumsum(expected)]).astype(np.int64)
    return {role: ak.to_numpy(values).astype(np.float64) for role, values in flat.items()}, offsets


def _one_a_jet(path: Path, batch: Any, place: str) -> NDArray[Any]:
    import awkward as ak

    values = _field(path, batch, place)
    if "string" in str(values.type):
        return np.array(ak.to_list(values), dtype=object)
    if values.ndim != 1 or values.fields:
        raise CannotImport(f"{path}: column {place}: expected one value a jet, it is {values.type}")
    return np.asarray(ak.to_numpy(ak.fill_none(values, np.nan) if "?" in str(values.type) else values))


def _field(path: Path, batch: Any, place: str) -> Any:
    for part in [place] if place in batch.fields else place.split("."):
        if part not in batch.fields:
            raise CannotImport(f"{path}: no column {place} in it; beside {part!r} there are {', '.join(batch.fields)}")
        batch = batch[part]
    return batch


def _top(place: str, store: Store) -> str:
    return place if place in store.columns else place.split(".")[0]


def _listed(store: Store) -> str:
    return "it has " + ", ".join(f"{name} ({kind})" for name, kind in list(store.columns.items())[:60])


def _open_parquet(path: Path, rows: int) -> Store:
    import pyarrow.parquet as pq

    def opened() -> Any:
        # without read-ahead, with which pyarrow would have all row groups in memory at once
        return pq.ParquetFile(path, pre_buffer=False, buffer_size=1 << 20)

    with reading(path), opened() as file:
        columns, total = {field.name: str(field.type) for field in file.schema_arrow}, file.metadata.num_rows

    def batches(names: list[str]) -> Iterator[Any]:
        with reading(path):
            file = opened()
        with file:
            for batch in read_each(path, file.iter_batches(rows, columns=names)):
                yield _as_awkward(path, batch)

    return Store(total, columns, batches)


def _open_arrow(path: Path) -> Store:
    with reading(path):
        schema, _ = _arrow_batches(path)
        total = sum(batch.num_rows for batch in _arrow_batches(path)[1])
    columns = {field.name: str(field.type) for field in schema}

    def batches(names: list[str]) -> Iterator[Any]:
        for batch in read_each(path, _arrow_batches(path)[1]):
            for start in range(0, batch.num_rows, ROWS):
                yield _as_awkward(path, batch.select(names).slice(start, ROWS))

    return Store(total, columns, batches)


def _arrow_batches(path: Path) -> tuple[Any, Iterator[Any]]:
    import pyarrow as pa

    mapped = pa.memory_map(str(path))
    if mapped.read(len(ARROW_STREAM)) == ARROW_STREAM:
        mapped.seek(0)
        stream = pa.ipc.open_stream(mapped)
        return stream.schema, iter(stream)
    file = pa.ipc.open_file(mapped)
    return file.schema, (file.get_batch(i) for i in range(file.num_record_batches))


def _as_awkward(path: Path, batch: Any) -> Any:
    import awkward as ak
    import pyarrow as pa

    with converting(path, "its columns"):
        target = pa.schema([field.with_type(_simple(path, field.name, field.type)) for field in batch.schema])
        return ak.from_arrow(batch if target.equals(batch.schema) else batch.cast(target))


def _simple(path: Path, name: str, kind: Any) -> Any:
    """Return the type that awkward can read in place of an Arrow type, with values instead of dictionary codes."""
    import pyarrow as pa

    is_a = pa.types
    if is_a.is_dictionary(kind):
        return _simple(path, name, kind.value_type)
    if is_a.is_string_view(kind):
        return pa.string()
    if is_a.is_decimal(kind):
        return pa.float64()
    if is_a.is_struct(kind):
        return pa.struct([field.with_type(_simple(path, name, field.type)) for field in kind])
    if is_a.is_list(kind):
        return pa.list_(kind.value_field.with_type(_simple(path, name, kind.value_type)))
    if is_a.is_large_list(kind):
        return pa.large_list(kind.value_field.with_type(_simple(path, name, kind.value_type)))
    if is_a.is_list_view(kind) or is_a.is_large_list_view(kind):
        raise CannotImport(f"{path}: column {name} is of Arrow's type {kind}, which is not read; write it as list")
    return kind


def _open_root(path: Path, tree: str | None, rows: int) -> Store:
    import uproot

    with reading(path), uproot.open(path) as file:
        total, columns = file[tree].num_entries, _columns_of(file[tree])

    def batches(names: list[str]) -> Iterator[Any]:
        with reading(path):
            file = uproot.open(path)
        with file:
            yield from read_each(path, file[tree].iterate(names, step_size=rows))

    return Store(total, columns, batches)


def _columns_of(tree: Any) -> dict[str, str]:
    from uproot.behaviors.RNTuple import HasFields

    if isinstance(tree, HasFields):
        return {field.name: field.typename or "records" for field in tree.fields}
    # branches of split objects are read by their own name, without that of the object
    return {branch.name: branch.typename for branch in tree.itervalues(recursive=True) if not len(branch)}


def trees_in(path: Path) -> dict[str, set[str]]:
    """Return trees and RNTuples of a ROOT file, each with the names of its columns; of several cycles the newest."""
    require("uproot", "awkward")
    import uproot

    with reading(path), uproot.open(path) as file:
        names = file.keys(cycle=False, filter_classname=["TTree", "ROOT::RNTuple"])
        return {name: set(_columns_of(file[name])) for name in names}
