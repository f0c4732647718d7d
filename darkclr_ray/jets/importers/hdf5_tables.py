"""HDF5 tables as pandas writes them: one jet a row, constituents side by side (E_0, PX_0, PY_0, PZ_0, E_1, ...).

As in the top-tagging reference set and the files of DarkCLR, see :mod:`~darkclr_ray.jets.importers.wide`.
Read without pandas and PyTables: they run pickled code that stands in a file's
attributes.
"""

from __future__ import annotations

import io
import pickle
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from darkclr_ray.jets.importers import wide
from darkclr_ray.jets.importers.hdf5 import opened
from darkclr_ray.jets.importers.options import ImportOptions
from darkclr_ray.jets.importers.unselected import CannotImport, Source, pick, reading

FORMAT = "hdf5_tables"
ROWS = 2_000


class Table:
    """Columns of one pandas table in an open HDF5 file, in its ``table`` or its ``fixed`` layout."""

    def __init__(self, path: Path, group: Any) -> None:
        self._path = path
        self._places: dict[str, tuple[Any, str | None, int | None]] = {}  # dataset, field, position in it
        self._categories: dict[str, NDArray[Any]] = {}  # of a field of codes
        if "table" in group:
            data = group["table"]
            self.rows = len(data)
            for field in data.dtype.names:
                if data.dtype[field].shape:
                    names = _plain_list(data.attrs[f"{field}_kind"])
                    self._places |= {name: (data, field, i) for i, name in enumerate(names)}
                elif field != "index":
                    self._places[field] = (data, field, None)
                if data.attrs.get(f"{field}_meta") == b"category":
                    values = group[f"meta/{field}/meta/table"]["values"].astype(object)
                    self._categories[field] = np.array([*values, None], dtype=object)  # the code -1: missing
        else:
            self.rows = len(group["axis1"])
            for block in range(int(group.attrs.get("nblocks", 1))):
                values = group[f"block{block}_values"]
                for i, name in enumerate(group[f"block{block}_items"][:]):
                    self._places[name.decode() if isinstance(name, bytes) else str(name)] = (values, None, i)

    @property
    def columns(self) -> list[str]:
        return list(self._places)

    def read(self, names: list[str], start: int, stop: int) -> Iterator[tuple[str, NDArray[Any]]]:
        """Yield columns of the rows from ``start`` to ``stop``; each dataset is read once."""
        held: dict[int, NDArray[Any]] = {}
        for name in names:
            data, field, position = self._places[name]
            if data.ndim == 1 and field is None:
                raise CannotImport(
                    f"{self._path}: column {name} holds Python objects (text?), which are not read, as they may hold "
                    'code; write the table by to_hdf(..., format="table")'
                )
            if id(data) not in held:
                held[id(data)] = data[start:stop]
            values = held[id(data)] if field is None else held[id(data)][field]
            values = values if position is None else values[:, position]
            yield name, self._categories[field][values] if field in self._categories else values


def tables_in(file: Any) -> list[str]:
    """Return the names of the groups of an open HDF5 file that contain a pandas table."""
    import h5py

    found: list[str] = []

    def look(name: str, item: Any) -> None:
        if isinstance(item, h5py.Group) and item.attrs.get("pandas_type") in (b"frame_table", b"frame"):
            found.append(name)

    file.visititems(look)
    return found


def open_source(path: Path, options: ImportOptions) -> Source:
    """Return the jets of a table. Raises CannotImport if its columns are not those of constituents."""
    with reading(path), opened(path) as file:
        name = pick(path, "table", tables_in(file), options.dataset)
        table = Table(path, file[name])
        columns, rows = table.columns, table.rows

    def stretches(names: list[str]) -> Iterator[dict[str, NDArray[Any]]]:
        with opened(path) as file:
            table = Table(path, file[name])
            for start in range(0, rows, ROWS):
                stop = min(start + ROWS, rows)
                with reading(path, f"rows {start} to {stop}"):
                    values = dict(table.read(names, start, stop))
                yield values

    source = wide.open_source(path, FORMAT, columns, rows, stretches, options)
    return replace(source, understood={"table": name, **source.understood})


class _NoCode(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        raise pickle.UnpicklingError(f"refers to {module}.{name}")


def _plain_list(pickled: bytes) -> list[str]:
    # PyTables pickles lists of column names; only pickles of plain text, which need no code, are accepted
    names = _NoCode(io.BytesIO(bytes(pickled)), encoding="utf-8").load()
    return [str(name) for name in names]
