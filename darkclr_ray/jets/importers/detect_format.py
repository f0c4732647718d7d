"""Detect the format of a file from its content, independently of its name."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from darkclr_ray.jets.importers import columns, delphes, hdf5_arrays, hdf5_tables, hepmc, jetclass, lhe, text
from darkclr_ray.jets.importers.hdf5 import NUMPY_ARRAY, ZIP, is_numpy, opened
from darkclr_ray.jets.importers.options import ImportOptions
from darkclr_ray.jets.importers.unselected import CannotImport, Source, pick, reading
from darkclr_ray.jets.schema import schema_fault

FORMATS = {
    module.FORMAT: (module.__doc__ or "").split("\n")[0]
    for module in (hdf5_tables, hdf5_arrays, delphes, jetclass, columns, hepmc, lhe)
}
"""Name and description of every supported format."""

_MAGIC: tuple[tuple[bytes, str], ...] = (
    (b"\x89HDF\r\n\x1a\n", "hdf5"),
    (b"root", "root"),
    (b"PAR1", "parquet"),
    (b"ARROW1", "arrow"),
    (columns.ARROW_STREAM, "arrow"),
    (NUMPY_ARRAY, "hdf5"),
    (ZIP, "hdf5"),
)


def detect_format(path: Path, options: ImportOptions) -> Source:
    """Open a file in the format that its content shows, or that the options name.

    Raises:
        CannotImport: the file is missing, empty or of unknown format, or an option is needed to read it.
        ImportError: the format's library is not installed.
    """
    if not path.is_file():
        raise CannotImport(f"{path}: no such file")
    if options.format is not None and options.format not in FORMATS:
        raise CannotImport(f"unknown format {options.format!r}; there are: {', '.join(FORMATS)}")
    container = _container(path)
    opener = {"hdf5": _hdf5, "root": _root, "parquet": _parquet, "arrow": _arrow, "hepmc": _hepmc, "lhe": _lhe}[
        container
    ]
    name, open_source = opener(path, options)
    if options.format not in (None, name):
        raise CannotImport(f"{path}: --format {options.format}: its content is that of {name}")
    return open_source()


def expand(path: Path) -> list[Path]:
    """Return the files that a path names: the file itself, or those below a folder of parts, sorted.

    Names that begin with ``.`` or ``_``, and JSON files, are skipped, since other programs write them beside the parts.

    Raises:
        CannotImport: the folder is empty, or the names in it contain values of a column.
    """
    if not path.is_dir():
        return [path]
    inside = [part.relative_to(path) for part in sorted(path.rglob("*")) if part.is_file()]
    parts = [part for part in inside if part.suffix != ".json" and not any(name[0] in "._" for name in part.parts)]
    if not parts:
        raise CannotImport(f"{path}: a folder without files to import")
    for part in parts:
        if values := [name for name in part.parts[:-1] if "=" in name]:
            raise CannotImport(
                f"{path}: a column is kept in the names of its folders ({values[0]}) and not in the files; import the "
                f"folders one by one, such as {path / values[0]} --sample NAME"
            )
    return [path / part for part in parts]


Opening = tuple[str, Callable[[], Source]]


def _container(path: Path) -> str:
    if not path.stat().st_size:
        raise CannotImport(f"{path}: an empty file of 0 bytes")
    with reading(path), path.open("rb") as file:
        head = file.read(16)
    for magic, name in _MAGIC:
        if head.startswith(magic):
            return name
    with reading(path), text.opened(path) as file:
        head = file.read(4096)
    if b"HepMC::" in head:
        return "hepmc"
    if b"<LesHouchesEvents" in head:
        return "lhe"
    raise CannotImport(
        f"{path}: its content is of no known format. Can be read: "
        + "; ".join(f"{name} ({what.split(':')[0].rstrip('.')})" for name, what in FORMATS.items())
    )


def _hdf5(path: Path, options: ImportOptions) -> Opening:
    with reading(path), opened(path) as file:
        tables, arrays = [] if is_numpy(path) else hdf5_tables.tables_in(file), hdf5_arrays.arrays_in(file)
    if tables and options.format != hdf5_arrays.FORMAT:
        return hdf5_tables.FORMAT, lambda: hdf5_tables.open_source(path, options)
    if not arrays:
        raise CannotImport(f"{path}: a file without a pandas table or an array of numbers")
    return hdf5_arrays.FORMAT, lambda: hdf5_arrays.open_source(path, options)


def _root(path: Path, options: ImportOptions) -> Opening:
    trees = columns.trees_in(path)
    by_format: dict[str, list[str]] = {delphes.FORMAT: [], jetclass.FORMAT: [], columns.FORMAT: []}
    for name, branches in trees.items():
        kind = columns.FORMAT
        if delphes.looks_like(branches):
            kind = delphes.FORMAT
        elif jetclass.looks_like(branches):
            kind = jetclass.FORMAT
        by_format[kind].append(name)
    # a file may have other trees beside those of jets or events: they are used only if there is nothing better
    known = [*by_format[delphes.FORMAT], *by_format[jetclass.FORMAT]] or by_format[columns.FORMAT]
    tree = pick(path, "tree", list(trees) if options.dataset else known, options.dataset)
    kind = options.format or next(name for name, found in by_format.items() if tree in found)
    if kind == delphes.FORMAT:
        return kind, lambda: delphes.open_source(path, options, tree)
    if kind == jetclass.FORMAT:
        return kind, lambda: jetclass.open_source(path, options, "root", tree)
    return columns.FORMAT, lambda: columns.open_source(path, options, "root", tree)


def _parquet(path: Path, options: ImportOptions) -> Opening:
    import pyarrow.parquet as pq

    with reading(path):
        schema = pq.read_schema(path)
    if schema_fault(schema) is None and not options.columns:
        raise CannotImport(f"{path}: is a shard of jets already; copy it to <jets>/<split>/<sample>/ as it is")
    return _named(path, options, "parquet", schema.names)


def _arrow(path: Path, options: ImportOptions) -> Opening:
    store = columns.open_store(path, "arrow")
    return _named(path, options, "arrow", list(store.columns))


def _named(path: Path, options: ImportOptions, container: columns.Container, names: list[str]) -> Opening:
    if jetclass.looks_like(names) and options.format != columns.FORMAT:
        return jetclass.FORMAT, lambda: jetclass.open_source(path, options, container)
    return columns.FORMAT, lambda: columns.open_source(path, options, container)


def _hepmc(path: Path, options: ImportOptions) -> Opening:
    return hepmc.FORMAT, lambda: hepmc.open_source(path, options)


def _lhe(path: Path, options: ImportOptions) -> Opening:
    return lhe.FORMAT, lambda: lhe.open_source(path, options)
