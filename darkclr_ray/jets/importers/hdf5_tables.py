"""HDF5 tables as pandas writes them: one jet a row, constituents side by side (E_0, PX_0, PY_0, PZ_0, E_1, ...).

As in the top-tagging reference set (doi:10.5281/zenodo.2603256) and the files of DarkCLR: momenta in GeV, jets padded
with zeros, label ``is_signal_new``. Read without pandas and PyTables: they run pickled code that stands in a file's
attributes.
"""

from __future__ import annotations

import io
import pickle
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from darkclr_ray.jets.importers.build import build_jets, check_columns
from darkclr_ray.jets.importers.hdf5 import opened
from darkclr_ray.jets.importers.momenta import CONSTITUENT
from darkclr_ray.jets.importers.options import ImportOptions
from darkclr_ray.jets.importers.unselected import CannotImport, Floats, Source, UnselectedJets, pick, reading

FORMAT = "hdf5_tables"
LABEL = "is_signal_new"
PREFIXES = {"E": "E", "px": "PX", "py": "PY", "pz": "PZ"}
ROWS = 2_000


class Table:
    """The columns of one pandas table in an open HDF5 file, in its ``table`` or its ``fixed`` layout."""

    def __init__(self, group: Any) -> None:
        self._places: dict[str, tuple[Any, str | None, int | None]] = {}  # dataset, field, position in it
        if "table" in group:
            data = group["table"]
            self.rows = len(data)
            for field in data.dtype.names:
                if data.dtype[field].shape:
                    names = _plain_list(data.attrs[f"{field}_kind"])
                    self._places |= {name: (data, field, i) for i, name in enumerate(names)}
                elif field != "index":
                    self._places[field] = (data, field, None)
        else:
            self.rows = len(group["axis1"])
            for block in range(int(group.attrs.get("nblocks", 1))):
                values = group[f"block{block}_values"]
                for i, name in enumerate(group[f"block{block}_items"][:]):
                    self._places[name.decode()] = (values, None, i)

    @property
    def columns(self) -> list[str]:
        return list(self._places)

    def read(self, names: list[str], start: int, stop: int) -> Iterator[tuple[str, NDArray[Any]]]:
        """Some columns of the rows from ``start`` to ``stop``; each dataset is read once."""
        held: dict[int, NDArray[Any]] = {}
        for name in names:
            data, field, position = self._places[name]
            if id(data) not in held:
                held[id(data)] = data[start:stop]
            values = held[id(data)] if field is None else held[id(data)][field]
            yield name, values if position is None else values[:, position]


def tables_in(file: Any) -> list[str]:
    """Names of the groups of an open HDF5 file that pandas wrote a table into."""
    import h5py

    found: list[str] = []

    def look(name: str, item: Any) -> None:
        if isinstance(item, h5py.Group) and item.attrs.get("pandas_type") in (b"frame_table", b"frame"):
            found.append(name)

    file.visititems(look)
    return found


def open_source(path: Path, options: ImportOptions) -> Source:
    """The jets of a table. Raises CannotImport where its columns are not those of constituents."""
    with reading(path), opened(path) as file:
        name = pick(path, "table", tables_in(file), options.dataset)
        table = Table(file[name])
        columns, rows = table.columns, table.rows
    prefixes, others = _roles(path, options, columns)
    count = _constituents(path, prefixes, columns)

    def stream(_: str) -> Iterator[UnselectedJets]:
        wanted = [f"{prefix}_{i}" for prefix in prefixes.values() for i in range(count)]
        with opened(path) as file:
            table = Table(file[name])
            for start in range(0, rows, ROWS):
                stop = min(start + ROWS, rows)
                with reading(path, f"rows {start} to {stop}"):
                    values = dict(table.read(wanted + list(others.values()), start, stop))
                flat = {role: _side_by_side(values, prefix, count) for role, prefix in prefixes.items()}
                offsets = np.arange(0, (stop - start + 1) * count, count, dtype=np.int64)
                own = {role: values[column] for role, column in others.items()}
                yield build_jets(path, flat, offsets, own, options, start)

    understood = {"table": name, "constituents": {role: f"{prefix}_i" for role, prefix in prefixes.items()}, **others}
    return Source(FORMAT, "jets", rows, stream, {**understood, "unit": options.unit or "GeV"})


def _roles(path: Path, options: ImportOptions, columns: list[str]) -> tuple[dict[str, str], dict[str, str]]:
    prefixes = {role: name for role, name in options.columns.items() if role in CONSTITUENT} or PREFIXES
    others = {role: name for role, name in options.columns.items() if role not in CONSTITUENT}
    if LABEL in columns:
        others.setdefault("label", LABEL)
    check_columns(path, [*prefixes, *others])
    missing = [name for name in others.values() if name not in columns]
    if missing:
        raise CannotImport(f"{path}: no column {', '.join(missing)} in it; it has {_shortened(columns)}")
    return prefixes, others


def _constituents(path: Path, prefixes: dict[str, str], columns: list[str]) -> int:
    numbers = {
        prefix: {int(match[1]) for name in columns if (match := re.fullmatch(rf"{re.escape(prefix)}_(\d+)", name))}
        for prefix in prefixes.values()
    }
    count = max((len(found) for found in numbers.values()), default=0)
    missing = [f"{prefix}_{i}" for prefix, found in numbers.items() for i in sorted(set(range(max(count, 1))) - found)]
    if missing:
        raise CannotImport(
            f"{path}: columns of constituents are missing: {_shortened(missing)}; it has {_shortened(columns)}. "
            "Other names than E_0, PX_0, PY_0, PZ_0: say --columns pt=PREFIX eta=PREFIX phi=PREFIX (without the number)"
        )
    return count


def _side_by_side(values: dict[str, NDArray[Any]], prefix: str, count: int) -> Floats:
    return np.stack([values[f"{prefix}_{i}"] for i in range(count)], axis=1).astype(np.float64).ravel()


def _shortened(names: list[str]) -> str:
    return ", ".join(names) if len(names) <= 12 else f"{', '.join(names[:6])}, ... ({len(names)} in all)"


class _NoCode(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        raise pickle.UnpicklingError(f"refers to {module}.{name}")


def _plain_list(pickled: bytes) -> list[str]:
    # PyTables pickles lists of column names; plain texts need no code to be read back, anything else is refused
    names = _NoCode(io.BytesIO(bytes(pickled)), encoding="utf-8").load()
    return [str(name) for name in names]
