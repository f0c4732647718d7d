"""Check a set of shards completely: every file, every row group, then jets and events across files."""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
from numpy.typing import NDArray

from darkclr_ray.jets.packed import Jets
from darkclr_ray.jets.schema import SCHEMA, kind, schema_fault, to_jets
from darkclr_ray.jets.shards import DAMAGE, SPLITS, BrokenShard, Chunk, in_one_line, metadata_of, opened
from darkclr_ray.jets.validity import Fault, jets_fault, table_fault, unit_trouble


@dataclass(frozen=True)
class Part:
    """Result of the check of one sample of one split.

    Attributes:
        chunks: row groups in reading order, without empty ones.
        fingerprint: hash of the content.
        metadata: metadata of each shard; empty for a shard that this package did not write.
        ids, events: jet and event ids of all jets.
    """

    chunks: tuple[Chunk, ...]
    fingerprint: str
    metadata: tuple[dict[str, Any], ...]
    ids: NDArray[np.int64]
    events: NDArray[np.int64]


def check_part(folder: Path) -> Part:
    """Check all shards of one sample of one split and return the result.

    Raises BrokenShard, which names file, row group and column.
    """
    paths = sorted(path for path in folder.glob("*.parquet") if not path.name.startswith((".", "_")))
    if not paths:
        raise BrokenShard(f"{folder}: an empty folder, no *.parquet in it; remove it or generate its jets")
    chunks, metadata, ids, events = [], [], [], []
    warned = False
    hashes = [hashlib.blake2b(digest_size=16) for _ in range(5)]  # one per column, for any row groups
    for path in paths:
        with opened(path) as file:
            _check_schema(path, file, paths[0])
            metadata.append(metadata_of(path, file))
            for group in range(file.num_row_groups):
                if not file.metadata.row_group(group).num_rows:
                    continue
                jets = _check_group(path, file, group, folder.name)
                trouble = unit_trouble(jets)
                if trouble and not warned:
                    warned = True  # one warning per sample is sufficient
                    where = f"{path}, row group {group}, column {trouble.column!r}"
                    warnings.warn(f"{where}: {trouble.what}", UserWarning, stacklevel=3)
                for hasher, column in zip(hashes, _content(jets), strict=True):
                    hasher.update(np.ascontiguousarray(column).tobytes())
                chunks.append(Chunk(str(path), group, len(jets)))
                ids.append(jets.ids)
                events.append(jets.events)
    fingerprint = hashlib.blake2b(b"".join(hasher.digest() for hasher in hashes), digest_size=16).hexdigest()
    return Part(tuple(chunks), fingerprint, tuple(metadata), np.concatenate(ids), np.concatenate(events))


def stream_shard(path: Path) -> Iterator[tuple[str, Jets]]:
    """Yield sample and jets of one shard, one checked row group at a time. Raises BrokenShard as `check_part` does."""
    with opened(path) as file:
        _check_schema(path, file, path)
        for group in range(file.num_row_groups):
            if file.metadata.row_group(group).num_rows:
                sample = str(file.read_row_group(group, columns=["sample"]).column(0)[0])
                yield sample, _check_group(path, file, group, sample)


def check_ids(folder: Path, parts: Mapping[tuple[str, str], Part]) -> None:
    """Raise BrokenShard if a jet id occurs twice."""
    chunks = [chunk for part in parts.values() for chunk in part.chunks]
    ids = np.concatenate([part.ids for part in parts.values()])
    order = np.argsort(ids, kind="stable")
    twice = np.flatnonzero(ids[order][1:] == ids[order][:-1])
    if len(twice):
        owners = np.repeat(np.arange(len(chunks)), [chunk.rows for chunk in chunks])
        first, second = (chunks[owners[order[row]]] for row in (twice[0], twice[0] + 1))
        raise BrokenShard(
            f"{second.path}, row group {second.row_group}, column 'jet_id': {ids[order[twice[0]]]} is also in "
            f"{first.path}, row group {first.row_group} ({len(twice)} duplicates in {folder}); keep each jet once"
        )


def check_events(folder: Path, parts: Mapping[tuple[str, str], Part]) -> None:
    """Raise BrokenShard if an event is in two splits, so that its jets would be used for training and evaluation."""
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


def _content(jets: Jets) -> tuple[NDArray[Any], ...]:
    return jets.ids, jets.events, jets.kinematics, jets.multiplicity, jets.constituents


def _check_schema(path: Path, file: pq.ParquetFile, first: Path) -> None:
    fault = schema_fault(file.schema_arrow)
    if path != first:
        with opened(first) as other:
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
        refuse(table_fault(table, sample))
        jets = to_jets(table)
    except (*DAMAGE, OSError) as error:
        what = f"damaged or truncated ({in_one_line(error)})"
        raise BrokenShard(f"{where}: {what}; fetch or generate the file again") from None
    refuse(jets_fault(jets))
    return jets
