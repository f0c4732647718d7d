"""Tables with constituents side by side: one jet a row, columns E_0, PX_0, PY_0, PZ_0, E_1, ... (or other prefixes).

The layout of the top-tagging reference set (doi:10.5281/zenodo.2603256), in HDF5 and Parquet: momenta in GeV, jets
padded with zeros, label ``is_signal_new``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from darkclr_ray.jets.importers.build import build_jets, check_columns
from darkclr_ray.jets.importers.momenta import CONSTITUENT
from darkclr_ray.jets.importers.options import ImportOptions
from darkclr_ray.jets.importers.unselected import CannotImport, Floats, Source, UnselectedJets

LABEL = "is_signal_new"
PREFIXES = {"E": "E", "px": "PX", "py": "PY", "pz": "PZ"}


def looks_like(columns: Collection[str], options: ImportOptions) -> bool:
    """Return whether columns are those of constituents side by side, with the usual or the named prefixes."""
    return all(f"{prefix}_0" in columns and prefix not in columns for prefix in _prefixes(options).values())


def open_source(
    path: Path,
    name: str,
    columns: list[str],
    rows: int,
    stretches: Callable[[list[str]], Iterator[Mapping[str, NDArray[Any]]]],
    options: ImportOptions,
) -> Source:
    """Return the jets of a table.

    Args:
        name: name of the file's format.
        columns, rows: names of all columns, number of jets.
        stretches: function from names of columns to an iterator of their arrays (B,), for successive parts of the rows.

    Raises:
        CannotImport: the columns are not those of constituents.
    """
    prefixes, others = _roles(path, options, columns)
    count = _constituents(path, prefixes, columns)

    wanted = [f"{prefix}_{i}" for prefix in prefixes.values() for i in range(count)]

    def stream(_: str) -> Iterator[UnselectedJets]:
        first = 0
        for values in stretches([*wanted, *others.values()]):
            flat = {role: _flat(values, prefix, count) for role, prefix in prefixes.items()}
            size = len(values[wanted[0]])
            offsets = np.arange(size + 1, dtype=np.int64) * count
            own = {role: values[column] for role, column in others.items()}
            yield build_jets(path, flat, offsets, own, options, first)
            first += size

    understood = {"constituents": {role: f"{prefix}_i" for role, prefix in prefixes.items()}, **others}
    return Source(name, "jets", rows, stream, {**understood, "unit": options.unit or "GeV"})


def _prefixes(options: ImportOptions) -> dict[str, str]:
    return {role: name for role, name in options.columns.items() if role in CONSTITUENT} or PREFIXES


def _roles(path: Path, options: ImportOptions, columns: list[str]) -> tuple[dict[str, str], dict[str, str]]:
    prefixes = _prefixes(options)
    others = {role: name for role, name in options.columns.items() if role not in CONSTITUENT}
    if LABEL in columns:
        others.setdefault("label", LABEL)
    check_columns(path, [*prefixes, *others], options.unit)
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
    if missing and all(name.isdigit() for name in columns):
        raise CannotImport(
            f"{path}: its {len(columns)} columns have numbers for names, as in files of the LHC Olympics: their rows "
            "are events (pt, eta, phi of up to 700 particles), not jets: cluster them first, and write the jets' "
            "constituents as an HDF5 array (jets, constituents, 3)"
        )
    if missing:
        raise CannotImport(
            f"{path}: columns of constituents are missing: {_shortened(missing)}; it has {_shortened(columns)}. "
            "Other names than E_0, PX_0, PY_0, PZ_0: say --columns pt=PREFIX eta=PREFIX phi=PREFIX (without the number)"
        )
    return count


def _flat(values: Mapping[str, NDArray[Any]], prefix: str, count: int) -> Floats:
    return np.stack([values[f"{prefix}_{i}"] for i in range(count)], axis=1).astype(np.float64).ravel()


def _shortened(names: list[str]) -> str:
    return ", ".join(names) if len(names) <= 12 else f"{', '.join(names[:6])}, ... ({len(names)} in all)"
