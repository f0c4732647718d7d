"""Arrays in HDF5 or NumPy files: constituents as (jets, constituents, numbers), or one array a quantity.

The axes of constituents and of numbers may be swapped.
The numbers of a constituent have no names in such a file: their order is found where only one of the usual ones is
possible, else asked for (``--order``). Jets are padded with zeros. Quantities of the jet, labels and event numbers
are named by dataset, with ``:k`` for column k.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from darkclr_ray.jets.importers.build import build_jets, check_columns
from darkclr_ray.jets.importers.hdf5 import opened
from darkclr_ray.jets.importers.momenta import CONSTITUENT, possible_orders
from darkclr_ray.jets.importers.options import ImportOptions
from darkclr_ray.jets.importers.unselected import CannotImport, Floats, Source, UnselectedJets, pick, reading

FORMAT = "hdf5_arrays"
ROWS = 2_000
SKIPPED = "_"


def arrays_in(file: Any) -> dict[str, tuple[int, ...]]:
    """Return the datasets of an open file with numbers, or one text per jet, and their shapes."""
    if isinstance(file, dict):
        return {name: array.shape for name, array in file.items() if _is_usable(array)}
    import h5py

    found: dict[str, tuple[int, ...]] = {}

    def look(name: str, item: Any) -> None:
        if isinstance(item, h5py.Dataset) and _is_usable(item):
            found[name] = item.shape

    file.visititems(look)
    return found


def _is_usable(array: Any) -> bool:
    return array.ndim > 0 if array.dtype.kind in "fiub" else array.dtype.kind in "SUO" and array.ndim == 1


def open_source(path: Path, options: ImportOptions) -> Source:
    """Return the jets of an array, or of one array per quantity. Raises CannotImport if the order is ambiguous."""
    with reading(path), opened(path) as file:
        shapes = arrays_in(file)
        separate = {role: name for role, name in options.columns.items() if role in CONSTITUENT}
        others = {role: name for role, name in options.columns.items() if role not in CONSTITUENT}
        layout: _Together | _Apart
        if separate:
            layout = _Apart(path, separate, shapes)
        else:
            cubes = [name for name, shape in shapes.items() if len(shape) == 3]
            layout = _Together(path, file, pick(path, "array of constituents", cubes, options.dataset), options.order)
        stretch = _stretch(file, layout.arrays)
    check_columns(path, [*layout.roles, *others], options.unit)
    rows = layout.rows
    for role, place in others.items():
        _check_place(path, role, place, shapes, rows)

    def stream(_: str) -> Iterator[UnselectedJets]:
        with opened(path) as file:
            for start in range(0, rows, stretch):
                stop = min(start + stretch, rows)
                with reading(path, f"jets {start} to {stop}"):
                    flat, width = layout.read(file, start, stop)
                    own = {role: _column(file, place, start, stop) for role, place in others.items()}
                offsets = np.arange(stop - start + 1, dtype=np.int64) * width
                yield build_jets(path, flat, offsets, own, options, start)

    understood = {**layout.understood, **others, "unit": options.unit or "GeV", "angles": options.angles or "absolute"}
    return Source(FORMAT, "jets", rows, stream, understood)


def _stretch(file: Any, arrays: list[str]) -> int:
    """Return how many jets are read at once: whole chunks of the file, unless these are very long."""
    chunks = max((getattr(file[name], "chunks", None) or (0,))[0] for name in arrays)
    return min(max(ROWS, chunks), 10 * ROWS)


class _Together:
    """One array (B, N, F) or (B, F, N) of all quantities."""

    def __init__(self, path: Path, file: Any, name: str, order: tuple[str, ...] | None) -> None:
        self.name, self.arrays, self.rows = name, [name], file[name].shape[0]
        shape = file[name].shape[1:]
        numbers = (len(order),) if order else (3, 4)
        if shape[1] not in numbers and shape[0] not in numbers:
            raise CannotImport(
                f"{path}: array {name!r} of shape {file[name].shape} has no axis of "
                f"{' or '.join(map(str, numbers))} numbers; "
                "say what the numbers of a constituent are, such as --order eta,phi,pt,_ (_ for one that is not needed)"
            )
        self.last = shape[1] in numbers
        self.order = order or self._guess(path, file)
        self.roles = [role for role in self.order if role != SKIPPED]
        self.understood = {"array": name, "order": list(self.order)}

    def read(self, file: Any, start: int, stop: int) -> tuple[dict[str, Floats], int]:
        block = file[self.name][start:stop].astype(np.float64)
        block = block if self.last else block.transpose(0, 2, 1)
        flat = {role: block[:, :, i].ravel() for i, role in enumerate(self.order) if role != SKIPPED}
        return flat, block.shape[1]

    def _guess(self, path: Path, file: Any) -> tuple[str, ...]:
        block = file[self.name][:2000].astype(np.float64)
        block = block if self.last else block.transpose(0, 2, 1)
        orders = possible_orders(block.reshape(-1, block.shape[2]))
        if len(orders) == 1:
            return orders[0]
        choices = " or ".join("--order " + ",".join(order) for order in orders)
        raise CannotImport(
            f"{path}: what are the {block.shape[2]} numbers of a constituent in {self.name!r}? "
            + (
                f"Say {choices}"
                if choices
                else "No usual order fits; say --order with names of "
                + ", ".join(CONSTITUENT)
                + f", and {SKIPPED} for a number that is none of them (an id, a charge or a mask)"
            )
        )


class _Apart:
    """One array (B, N) per quantity."""

    def __init__(self, path: Path, names: dict[str, str], shapes: dict[str, tuple[int, ...]]) -> None:
        self.names, self.arrays, self.roles = names, list(names.values()), list(names)
        for role, name in names.items():
            if len(shapes.get(name, ())) != 2:
                raise CannotImport(
                    f"{path}: --columns {role}={name}: expected an array (jets, constituents); it has {_listed(shapes)}"
                )
        if len({shapes[name] for name in names.values()}) > 1:
            raise CannotImport(f"{path}: the arrays of constituents differ in shape: {_listed(shapes)}")
        self.rows = shapes[names[self.roles[0]]][0]
        self.understood = {"constituents": names}

    def read(self, file: Any, start: int, stop: int) -> tuple[dict[str, Floats], int]:
        blocks = {role: file[name][start:stop].astype(np.float64) for role, name in self.names.items()}
        return {role: block.ravel() for role, block in blocks.items()}, blocks[self.roles[0]].shape[1]


def _check_place(path: Path, role: str, place: str, shapes: dict[str, tuple[int, ...]], rows: int) -> None:
    name, _, position = place.partition(":")
    shape = shapes.get(name, ())
    wanted = 2 if position else 1
    if len(shape) != wanted or shape[0] != rows or (position and not (position.isdigit() and int(position) < shape[1])):
        raise CannotImport(
            f"{path}: --columns {role}={place}: expected one number for each of {rows} jets "
            f"(NAME, or NAME:k for column k); it has {_listed(shapes)}"
        )


def _column(file: Any, place: str, start: int, stop: int) -> NDArray[Any]:
    name, _, position = place.partition(":")
    data: NDArray[Any] = file[name][start:stop]
    return data[:, int(position)] if position else data


def _listed(shapes: dict[str, tuple[int, ...]]) -> str:
    return ", ".join(f"{name} {shape}" for name, shape in shapes.items()) or "none"
