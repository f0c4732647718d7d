"""Jets in columns of any layout, by naming them: Parquet, Arrow or Feather files (awkward's too), and ROOT trees.

A column of constituents holds a list a jet (jagged, or padded with zeros to one length); ``a.b`` is field b of the
records in column a.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from darkclr_ray.jets.importers.build import build_jets, check_columns
from darkclr_ray.jets.importers.momenta import CONSTITUENT
from darkclr_ray.jets.importers.options import ImportOptions
from darkclr_ray.jets.importers.unselected import (
    CannotImport,
    Floats,
    Integers,
    Source,
    UnselectedJets,
    read_each,
    reading,
    require,
)

FORMAT = "columns"
ROWS = 2_000

Container = Literal["root", "parquet", "arrow"]


@dataclass(frozen=True)
class Store:
    """A file of columns.

    Attributes:
        rows: number of jets or events.
        columns: name and type of what it holds.
        batches: from names of top-level columns to awkward record arrays, a bounded stretch at a time.
    """

    rows: int
    columns: Mapping[str, str]
    batches: Callable[[list[str]], Iterator[Any]]


def open_store(path: Path, container: Container, tree: str | None = None, rows: int = ROWS) -> Store:
    """Open a file of columns; ``tree`` names the tree of a ROOT file. Raises CannotImport where it is damaged."""
    if container == "root":
        return _open_root(path, tree, rows)
    require("awkward")
    return _open_parquet(path, rows) if container == "parquet" else _open_arrow(path)


def open_source(path: Path, options: ImportOptions, container: Container, tree: str | None = None) -> Source:
    """The jets of named columns. Raises CannotImport where some are not named or missing, with those that there are."""
    store = open_store(path, container, tree)
    if not options.columns:
        raise CannotImport(
            f"{path}: which columns hold the constituents? Say --columns pt=NAME eta=NAME phi=NAME, or px, "
            f"py, pz, E; {_listed(store)}"
        )
    return named_columns(path, store, options.columns, options, FORMAT)


def named_columns(
    path: Path,
    store: Store,
    columns: Mapping[str, str],
    options: ImportOptions,
    name: str,
    label: tuple[list[str], Callable[[Any], NDArray[np.str_]]] | None = None,
) -> Source:
    """The jets of a store by the names of its columns; ``label`` makes the label from several columns."""
    check_columns(path, columns)
    several, make_label = label or ([], None)
    wanted = list(dict.fromkeys([*columns.values(), *several]))
    tops = {column: _top(column, store) for column in wanted}
    missing = [column for column, top in tops.items() if top not in store.columns]
    if missing:
        raise CannotImport(f"{path}: no column {', '.join(missing)} in it; {_listed(store)}")

    def stream(_: str) -> Iterator[UnselectedJets]:
        first = 0
        for batch in store.batches(list(dict.fromkeys(tops.values()))):
            with reading(path, f"jets from {first} on"):
                flat, offsets = _constituents(path, batch, columns)
                own = {role: _numbers(batch, place) for role, place in columns.items() if role not in CONSTITUENT}
            if make_label:
                own["label"] = make_label(batch)
            yield build_jets(path, flat, offsets, own, options, first)
            first += len(batch)

    understood = {"columns": dict(columns), "unit": options.unit or "GeV", "angles": options.angles or "absolute"}
    return Source(name, "jets", store.rows, stream, understood)


def _constituents(path: Path, batch: Any, columns: Mapping[str, str]) -> tuple[dict[str, Floats], Integers]:
    import awkward as ak

    flat: dict[str, Floats] = {}
    sizes: Integers | None = None
    for role, place in columns.items():
        if role not in CONSTITUENT:
            continue
        lists = _field(batch, place)
        if lists.ndim != 2:
            raise CannotImport(
                f"{path}: --columns {role}={place}: expected a list of numbers a jet, it is {lists.type}"
            )
        lists = ak.fill_none(ak.fill_none(lists, np.nan, axis=-1), [], axis=0)
        here = ak.to_numpy(ak.num(lists))
        if sizes is not None and not np.array_equal(sizes, here):
            raise CannotImport(f"{path}: column {place} has another number of constituents a jet than the others")
        sizes = here
        flat[role] = ak.to_numpy(ak.flatten(lists)).astype(np.float64)
    assert sizes is not None
    return flat, np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)


def _numbers(batch: Any, place: str) -> NDArray[Any]:
    import awkward as ak

    values = _field(batch, place)
    if "string" in str(values.type):
        return np.array(ak.to_list(values), dtype=object)
    return np.asarray(ak.to_numpy(ak.fill_none(values, np.nan) if "?" in str(values.type) else values))


def _field(batch: Any, place: str) -> Any:
    if place in batch.fields:
        return batch[place]
    for part in place.split("."):
        batch = batch[part]
    return batch


def _top(place: str, store: Store) -> str:
    return place if place in store.columns else place.split(".")[0]


def _listed(store: Store) -> str:
    return "it has " + ", ".join(f"{name} ({kind})" for name, kind in list(store.columns.items())[:60])


def _open_parquet(path: Path, rows: int) -> Store:
    import awkward as ak
    import pyarrow.parquet as pq

    with reading(path):
        # not ahead: pyarrow would have all row groups in memory at once, and of a long one all that is on the disk
        file = pq.ParquetFile(path, pre_buffer=False, buffer_size=1 << 20)
    columns = {field.name: str(field.type) for field in file.schema_arrow}

    def batches(names: list[str]) -> Iterator[Any]:
        for batch in read_each(path, file.iter_batches(rows, columns=names)):
            yield ak.from_arrow(batch)

    return Store(file.metadata.num_rows, columns, batches)


def _open_arrow(path: Path) -> Store:
    import awkward as ak
    import pyarrow as pa

    with reading(path):
        file = pa.ipc.open_file(pa.memory_map(str(path)))
        total = sum(file.get_batch(i).num_rows for i in range(file.num_record_batches))
    columns = {field.name: str(field.type) for field in file.schema}

    def batches(names: list[str]) -> Iterator[Any]:
        for i in range(file.num_record_batches):
            with reading(path, f"batch {i}"):
                batch = file.get_batch(i).select(names)
            for start in range(0, batch.num_rows, ROWS):
                yield ak.from_arrow(batch.slice(start, ROWS))

    return Store(total, columns, batches)


def _open_root(path: Path, tree: str | None, rows: int) -> Store:
    import uproot

    with reading(path), uproot.open(path) as file:
        opened = file[tree]
        total = opened.num_entries
        # branches of split objects are asked for by their own name, without that of the object
        columns = {branch.name: branch.typename for branch in opened.itervalues(recursive=True) if not len(branch)}

    def batches(names: list[str]) -> Iterator[Any]:
        with reading(path):
            file = uproot.open(path)
        with file:
            yield from read_each(path, file[tree].iterate(names, step_size=rows))

    return Store(total, columns, batches)


def trees_in(path: Path) -> dict[str, set[str]]:
    """Trees of a ROOT file, each with the names of its branches; of several cycles the newest."""
    require("uproot", "awkward")
    import uproot

    with reading(path), uproot.open(path) as file:
        names = file.keys(cycle=False, filter_classname="TTree")
        return {name: {branch.name for branch in file[name].itervalues(recursive=True)} for name in names}
