"""Jets on disk: writing Parquet shards, and opening a folder of them after a full check.

A set of jets is a folder ``<split>/<sample>/*.parquet`` with split train, validation or test; one row is one jet (see
:data:`~darkclr_ray.jets.schema.SCHEMA`), one row group the piece that a shard task reads.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib.resources
import json
import os
import tempfile
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from darkclr_ray.jets.packed import Jets
from darkclr_ray.jets.samples import NAMED
from darkclr_ray.jets.schema import CONSTITUENTS, KINEMATICS, SCHEMA, kind, schema_fault, to_jets, to_table
from darkclr_ray.jets.validity import Fault, jets_fault, table_fault, unit_trouble

SPLITS = ("train", "validation", "test")
METADATA_KEY = b"darkclr_ray"
ROW_GROUP = 1000


class BrokenShard(ValueError):
    """Jets on disk that cannot be used: says where, what, and how to mend it."""


class Chunk(NamedTuple):
    """One row group of a shard: what a shard task reads."""

    path: str
    row_group: int
    rows: int


@dataclass(frozen=True)
class Part:
    """What a check found of one sample of one split.

    Attributes:
        chunks: row groups in reading order.
        fingerprint: hash of the content.
        metadata: of each shard; empty for a shard from elsewhere.
        ids, events: of all jets.
    """

    chunks: tuple[Chunk, ...]
    fingerprint: str
    metadata: tuple[dict[str, Any], ...]
    ids: NDArray[np.int64]
    events: NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class JetFolder:
    """A checked set of jets; made by :func:`open_jets`."""

    path: Path
    parts: Mapping[tuple[str, str], Part]

    def splits(self) -> tuple[str, ...]:
        """Splits that are present, in the order train, validation, test."""
        return tuple(split for split in SPLITS if any(split == key[0] for key in self.parts))

    def samples(self, split: str) -> tuple[str, ...]:
        """Samples of a split: named ones in the paper's order, then others. Raises ValueError for an absent split."""
        names = sorted(sample for part, sample in self.parts if part == split)
        if not names:
            raise ValueError(f"{self.path}: no split {split!r}; present: {', '.join(self.splits())}")
        return (*(name for name in NAMED if name in names), *(name for name in names if name not in NAMED))

    def load(self, split: str, sample: str) -> Jets:
        """All jets of one sample of one split. Raises ValueError if it is absent."""
        return Jets.concatenate([read_chunk(chunk) for chunk in self.chunks(split, sample)])

    def chunks(self, split: str, sample: str) -> list[Chunk]:
        """Row groups in the order in which :meth:`load` reads them."""
        return list(self._part(split, sample).chunks)

    def fingerprint(self, split: str, sample: str) -> str:
        """Hash (hex) of the jets' content: the same however they are cut into files and row groups or compressed."""
        return self._part(split, sample).fingerprint

    def metadata(self, split: str, sample: str) -> dict[str, Any]:
        """What all shards of the sample agree on; counts are summed, and the fractions made of the sums."""
        part = self._part(split, sample)
        shards = part.metadata
        first = shards[0]
        pooled = {key: first[key] for key in first if all(shard.get(key) == first[key] for shard in shards)}
        if all("counts" in shard for shard in shards):
            counts = {key: sum(shard["counts"][key] for shard in shards) for key in first["counts"]}
            pooled |= {"counts": counts, **fractions(counts)}
        return pooled | {"jets": len(part.ids), "shards": len(shards)}

    def _part(self, split: str, sample: str) -> Part:
        if sample not in self.samples(split):
            present = ", ".join(self.samples(split))
            raise ValueError(f"{self.path}: no sample {sample!r} in {split}; present: {present}")
        return self.parts[split, sample]


def fractions(counts: Mapping[str, int]) -> dict[str, Any]:
    """Jets an event, and the invisible fraction of primary dark mesons: of all events, and around selected jets."""

    def ratio(part: str, whole: str) -> float | None:
        return counts[part] / counts[whole] if counts[whole] else None

    return {
        "jets_per_event": ratio("jets", "events"),
        "invisible_fraction": {
            "before_selection": ratio("invisible_mesons", "mesons"),
            "after_selection": ratio("selected_invisible_mesons", "selected_mesons"),
        },
    }


def starter_jets() -> Path:
    """Folder of the jets that ship with the package.

    >>> open_jets(starter_jets()).samples("test")
    ('qcd', 'aachen', 'rinv_0.5', 'rinv_0.2', 'mass_10', 'mass_20')
    """
    return Path(str(importlib.resources.files("darkclr_ray.jets") / "starter"))


def write_shard(path: Path, jets: Jets, sample: str, metadata: Mapping[str, Any]) -> None:
    """Write one shard, whole or not at all: a killed writer leaves nothing under ``path``.

    Raises:
        BrokenShard: these jets could not be opened again.
    """
    fault = jets_fault(jets)
    if fault:
        raise BrokenShard(f"{path}: not written: column {fault.column!r}: {fault.what}")
    extra = {METADATA_KEY: json.dumps(metadata, sort_keys=True).encode()}
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, partial = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".part", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            pq.write_table(
                to_table(jets, sample).replace_schema_metadata(extra),
                file,
                row_group_size=ROW_GROUP,
                compression="zstd",
                compression_level=19,
                use_dictionary=["sample"],
                # the bytes of floats, sorted by significance, compress better, without loss
                use_byte_stream_split=[*KINEMATICS, *(f"{name}.list.element" for name in CONSTITUENTS)],
            )
            file.flush()
            os.fsync(file.fileno())
        os.chmod(partial, 0o644)
        os.replace(partial, path)
    except BaseException:
        Path(partial).unlink(missing_ok=True)
        raise


def read_metadata(path: Path) -> dict[str, Any]:
    """What the writer noted about a shard; empty for a file from elsewhere. Raises BrokenShard if it cannot be read."""
    with _parquet(path) as file:
        return _metadata(file)


def read_chunk(chunk: Chunk) -> Jets:
    """The jets of one row group, as they are: :func:`open_jets` has checked them."""
    with _parquet(Path(chunk.path)) as file:
        return to_jets(file.read_row_group(chunk.row_group, columns=SCHEMA.names))


def open_jets(folder: str | Path) -> JetFolder:
    """A set of jets, every file of it read and checked once.

    Raises:
        BrokenShard (a ValueError): no jets; a missing or mistyped column; a truncated or empty file; two schemas in one
            folder; a value out of range; constituents out of order; a jet without constituents; a jet id that appears
            twice; an event in two splits. It names file, row group and column.

    Warns:
        UserWarning: the numbers look like MeV.
    """
    folder = Path(folder)
    if not folder.is_dir():
        make = f"python studies/generate_jets.py --out {folder}"
        raise BrokenShard(f"{folder}: no such folder; `{make}` makes one")
    parts = {}
    for split in _splits_in(folder):
        for path in sorted(path for path in (folder / split).iterdir() if _visible_folder(path)):
            parts[split, path.name] = _check_part(path)
    if not parts:
        layout = f"<split>/<sample>/*.parquet with split one of {', '.join(SPLITS)}"
        raise BrokenShard(f"{folder}: no jets in this folder; expected {layout}")
    _check_ids(folder, parts)
    _check_events(folder, parts)
    return JetFolder(folder, parts)


def _splits_in(folder: Path) -> list[str]:
    names = [path.name for path in folder.iterdir() if _visible_folder(path)]
    for name in names:
        if name not in SPLITS and any((folder / name).rglob("*.parquet")):
            raise BrokenShard(f"{folder / name}: unknown split; rename the folder to one of {', '.join(SPLITS)}")
    return [split for split in SPLITS if split in names]


def _visible_folder(path: Path) -> bool:
    return path.is_dir() and not path.name.startswith((".", "_"))


def _check_part(folder: Path) -> Part:
    paths = sorted(path for path in folder.glob("*.parquet") if not path.name.startswith((".", "_")))
    if not paths:
        raise BrokenShard(f"{folder}: an empty folder, no *.parquet in it; remove it or generate its jets")
    chunks, metadata, ids, events = [], [], [], []
    hashes = [hashlib.blake2b(digest_size=16) for _ in range(5)]  # a column each: cuts into row groups do not matter
    for path in paths:
        with _parquet(path) as file:
            _check_schema(path, file, paths[0])
            metadata.append(_metadata(file))
            for group in range(file.num_row_groups):
                jets = _check_group(path, file, group, folder.name)
                for hasher, column in zip(hashes, _content(jets), strict=True):
                    hasher.update(np.ascontiguousarray(column).tobytes())
                chunks.append(Chunk(str(path), group, len(jets)))
                ids.append(jets.ids)
                events.append(jets.events)
    fingerprint = hashlib.blake2b(b"".join(hasher.digest() for hasher in hashes), digest_size=16).hexdigest()
    return Part(tuple(chunks), fingerprint, tuple(metadata), np.concatenate(ids), np.concatenate(events))


def _content(jets: Jets) -> tuple[NDArray[Any], ...]:
    return jets.ids, jets.events, jets.kinematics, jets.multiplicity, jets.constituents


def _check_schema(path: Path, file: pq.ParquetFile, first: Path) -> None:
    fault = schema_fault(file.schema_arrow)
    if path != first:
        with _parquet(first) as other:
            expected = {field.name: kind(field.type) for field in other.schema_arrow}
        found = {field.name: kind(field.type) for field in file.schema_arrow}
        differing = sorted(name for name, _ in set(expected.items()) ^ set(found.items()))
        if differing:
            columns = ", ".join(map(repr, dict.fromkeys(differing)))
            raise BrokenShard(f"{path}: two schemas in one folder: columns {columns} differ from {first.name}")
    if fault:
        raise BrokenShard(f"{path}: {fault}")
    if not file.metadata.num_rows:
        raise BrokenShard(f"{path}: an empty file, without a single jet; remove it or generate it again")


def _check_group(path: Path, file: pq.ParquetFile, group: int, sample: str) -> Jets:
    where = f"{path}, row group {group}"

    def refuse(fault: Fault | None) -> None:
        if fault:
            raise BrokenShard(f"{where}, column {fault.column!r}: {fault.what}")

    try:
        table = file.read_row_group(group, columns=SCHEMA.names)
    except (pa.ArrowException, OSError) as error:
        raise BrokenShard(f"{where}: damaged or truncated ({error}); fetch or generate the file again") from None
    refuse(table_fault(table, sample))
    jets = to_jets(table)
    refuse(jets_fault(jets))
    trouble = unit_trouble(jets)
    if trouble:
        warnings.warn(f"{where}, column {trouble.column!r}: {trouble.what}", UserWarning, stacklevel=4)
    return jets


def _check_ids(folder: Path, parts: Mapping[tuple[str, str], Part]) -> None:
    chunks = [chunk for part in parts.values() for chunk in part.chunks]
    ids = np.concatenate([part.ids for part in parts.values()])
    order = np.argsort(ids, kind="stable")
    twice = np.flatnonzero(ids[order][1:] == ids[order][:-1])
    if len(twice):
        owners = np.repeat(np.arange(len(chunks)), [chunk.rows for chunk in chunks])
        first, second = (chunks[owners[order[row]]] for row in (twice[0], twice[0] + 1))
        raise BrokenShard(
            f"{second.path}, row group {second.row_group}, column 'jet_id': {ids[order[twice[0]]]} is also in "
            f"{first.path}, row group {first.row_group} ({len(twice)} duplicates in {folder})"
        )


def _check_events(folder: Path, parts: Mapping[tuple[str, str], Part]) -> None:
    seen: dict[str, NDArray[np.int64]] = {}
    for split in SPLITS:
        none = np.zeros(0, np.int64)
        here = np.unique(np.concatenate([none, *(part.events for key, part in parts.items() if key[0] == split)]))
        for other, events in seen.items():
            shared = np.intersect1d(here, events)
            if len(shared):
                what = f"{len(shared)} events, such as {shared[0]}, are in both {other} and {split}"
                raise BrokenShard(f"{folder}, column 'event_id': {what}; keep all jets of an event in one split")
        seen[split] = here


@contextlib.contextmanager
def _parquet(path: Path) -> Iterator[pq.ParquetFile]:
    try:
        if not path.stat().st_size:
            raise BrokenShard(f"{path}: an empty file of 0 bytes; remove it or generate it again")
        file = pq.ParquetFile(path)
    except (pa.ArrowException, OSError) as error:
        raise BrokenShard(f"{path}: truncated, or no Parquet file ({error}); fetch or generate it again") from None
    with file:
        yield file


def _metadata(file: pq.ParquetFile) -> dict[str, Any]:
    text = (file.schema_arrow.metadata or {}).get(METADATA_KEY)
    return dict(json.loads(text)) if text else {}
