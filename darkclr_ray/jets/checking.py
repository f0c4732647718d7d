"""Check a set of shards completely: every file, every row group, then jets and events across files."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
from numpy.typing import NDArray

from darkclr_ray.jets.manifest import Manifest, Run, ShardRecord
from darkclr_ray.jets.packed import Jets
from darkclr_ray.jets.schema import SCHEMA, kind, schema_fault, to_jets
from darkclr_ray.jets.shards import DAMAGE, BrokenShard, Chunk, in_one_line, metadata_of, opened
from darkclr_ray.jets.validity import Fault, jets_fault, table_fault, unit_trouble

BATCH = 16_000
"""Number of jets that are checked at a time; row groups are read one by one only to name the one with a fault."""

BUCKET = 1 << 22
"""Number of ids that are compared at a time."""


@dataclass(frozen=True)
class Part:
    """Result of the check of one sample of one split.

    Attributes:
        chunks: row groups in reading order, without empty ones.
        fingerprint: hash of the shards' content, in order.
        records: what was found in each shard.
    """

    chunks: tuple[Chunk, ...]
    fingerprint: str
    records: tuple[ShardRecord, ...]

    @staticmethod
    def of(shards: Mapping[Path, ShardRecord]) -> Part:
        """Return the part that consists of these shards."""
        chunks = tuple(
            Chunk(str(path), group, rows)
            for path, record in shards.items()
            for group, rows in enumerate(record.rows)
            if rows
        )
        digests = "".join(record.digest for record in shards.values())
        return Part(chunks, hashlib.blake2b(digests.encode(), digest_size=16).hexdigest(), tuple(shards.values()))


def shards_in(folder: Path) -> list[Path]:
    """Return the shards of one sample of one split in reading order. Raises BrokenShard if there are none."""
    paths = sorted(path for path in folder.glob("*.parquet") if not path.name.startswith((".", "_")))
    if not paths:
        raise BrokenShard(f"{folder}: an empty folder, no *.parquet in it; remove it or generate its jets")
    return paths


def check_shards(paths: Sequence[Path], manifest: Manifest, names: Sequence[str]) -> list[ShardRecord]:
    """Return the records of shards; read and check, in threads, those that the manifest does not know.

    Args:
        paths: shards, in reading order.
        manifest: keeps the runs of the shards that are read.
        names: name of each shard in the manifest.

    Raises:
        BrokenShard: the fault of the first shard that has one, with file, row group and column.
    """
    firsts = {path.parent: path for path in reversed(paths)}
    with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        waiting = [
            manifest.known(name, path) or pool.submit(_check_shard, path, firsts[path.parent], manifest)
            for name, path in zip(names, paths, strict=True)
        ]
        try:
            records = [each if isinstance(each, ShardRecord) else each.result() for each in waiting]
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
    columns = {path: record.columns for path, record in zip(paths, records, strict=True)}
    for path in paths:
        _check_same_columns(path, columns[path], firsts[path.parent], columns[firsts[path.parent]])
    return records


def _check_shard(path: Path, first: Path, manifest: Manifest) -> ShardRecord:
    """Read and check one shard, keep its run and return its record. Raises BrokenShard."""
    status, warning, constituents = path.stat(), None, 0
    ids, events = [], []
    hashes = [hashlib.blake2b(digest_size=16) for _ in range(5)]  # one per column, for any row groups
    with opened(path) as file:
        _check_schema(path, file, first)
        metadata, columns = metadata_of(path, file), _columns(file)
        rows = tuple(file.metadata.row_group(group).num_rows for group in range(file.num_row_groups))
        for groups in _batches(rows):
            jets = _check_groups(path, file, groups, path.parent.name)
            warning = warning or _unit_warning(path, jets, groups, rows)
            for hasher, column in zip(hashes, _content(jets), strict=True):
                hasher.update(np.ascontiguousarray(column).data)
            constituents += len(jets.constituents)
            ids.append(jets.ids)
            events.append(jets.events)
    digest = hashlib.blake2b(b"".join(hasher.digest() for hasher in hashes), digest_size=16).hexdigest()
    distinct = _distinct(np.sort(np.concatenate(events)))
    manifest.add_run(digest, np.sort(np.concatenate(ids)), distinct)
    return ShardRecord(
        size=status.st_size,
        modified=status.st_mtime_ns,
        digest=digest,
        rows=rows,
        constituents=constituents,
        events=len(distinct),
        columns=columns,
        metadata=metadata,
        warning=warning,
    )


def read_run(path: Path, manifest: Manifest, record: ShardRecord) -> tuple[Run, Run]:
    """Return the sorted ids and the distinct events of a shard whose run is gone, read from the shard again."""
    with opened(path) as file:
        columns = file.read(columns=["jet_id", "event_id"])
    ids, events = (np.sort(column.to_numpy()) for column in columns.columns)
    manifest.add_run(record.digest, ids, _distinct(events))
    return ids, _distinct(events)


def _batches(rows: Sequence[int]) -> Iterator[list[int]]:
    """Yield the row groups that are not empty, so many together that they have about as many jets as a batch."""
    groups: list[int] = []
    for group, size in enumerate(rows):
        if size:
            groups.append(group)
        if sum(rows[group] for group in groups) >= BATCH:
            yield groups
            groups = []
    if groups:
        yield groups


def _unit_warning(path: Path, jets: Jets, groups: Sequence[int], rows: Sequence[int]) -> str | None:
    start = 0
    for group in groups:
        trouble = unit_trouble(jets.take(slice(start, start + rows[group])))
        if trouble:
            return f"{path}, row group {group}, column {trouble.column!r}: {trouble.what}"
        start += rows[group]
    return None


def stream_shard(path: Path, groups: range | None = None) -> Iterator[tuple[str, Jets]]:
    """Yield sample and jets of one shard, or of some of its row groups, one checked row group at a time.

    Raises BrokenShard, which names file, row group and column.
    """
    with opened(path) as file:
        _check_schema(path, file, path)
        for group in range(file.num_row_groups) if groups is None else groups:
            if file.metadata.row_group(group).num_rows:
                sample = str(file.read_row_group(group, columns=["sample"]).column(0)[0])
                yield sample, _check_group(path, file, group, sample)


def check_ids(folder: Path, shards: Mapping[Path, Run]) -> None:
    """Raise BrokenShard if a jet id occurs twice, given the sorted ids of each shard."""
    twice: list[Run] = []
    for parts in _buckets(list(shards.values())):
        ids = np.sort(np.concatenate(parts))
        twice.append(ids[1:][ids[1:] == ids[:-1]])
    duplicates = np.concatenate([*twice, np.zeros(0, np.int64)])
    if len(duplicates):
        owners = _owners(int(duplicates[0]), shards)
        first, second = next(owners), next(owners)
        raise BrokenShard(
            f"{second.path}, row group {second.row_group}, column 'jet_id': {duplicates[0]} is also in "
            f"{first.path}, row group {first.row_group} ({len(duplicates)} duplicates in {folder}); keep each jet once"
        )


def check_events(folder: Path, splits: Mapping[str, Sequence[Run]]) -> None:
    """Raise BrokenShard if an event is in two splits, so that its jets would be used for training and evaluation.

    Args:
        folder: folder of the set, for the message.
        splits: sorted distinct events of each shard, by split.
    """
    owner = [split for split, runs in splits.items() for _ in runs]
    shared: dict[tuple[str, str], list[Run]] = {}
    for parts in _buckets([run for runs in splits.values() for run in runs]):
        here = {
            split: _distinct(
                np.sort(np.concatenate([part for part, own in zip(parts, owner, strict=True) if own == split]))
            )
            for split in splits
        }
        for other, split in combinations(splits, 2):
            shared.setdefault((other, split), []).append(np.intersect1d(here[other], here[split], assume_unique=True))
    for (other, split), found in shared.items():
        events = np.concatenate(found)
        if len(events):
            what = f"{len(events)} events, such as {events[0]}, are in both {other} and {split}"
            raise BrokenShard(f"{folder}, column 'event_id': {what}; keep all jets of an event in one split")


def _buckets(runs: Sequence[Run]) -> Iterator[list[Run]]:
    """Yield, for one range of numbers after another, what each sorted run has in it; a range has about BUCKET."""
    number = -(-sum(map(len, runs)) // BUCKET)
    samples = np.sort(np.concatenate([run[:: max(len(run) // 64, 1)] for run in runs]))
    edges = _distinct(samples[np.arange(1, number) * len(samples) // max(number, 1)])
    ends = [np.r_[0, np.searchsorted(run, edges), len(run)] for run in runs]
    for at in range(len(edges) + 1):
        yield [run[end[at] : end[at + 1]] for run, end in zip(runs, ends, strict=True)]


def _distinct(ascending: Run) -> Run:
    """Return the distinct numbers of an ascending array, which np.unique finds by hashing, fifty times slower."""
    return ascending[np.r_[True, ascending[1:] != ascending[:-1]]] if len(ascending) else ascending


def _owners(jet_id: int, shards: Mapping[Path, Run]) -> Iterator[Chunk]:
    """Yield the row group of each jet with an id, in reading order."""
    for path, ids in shards.items():
        if np.searchsorted(ids, jet_id, "right") > np.searchsorted(ids, jet_id, "left"):
            with opened(path) as file:
                for group in range(file.num_row_groups):
                    found = file.read_row_group(group, columns=["jet_id"]).column(0).to_numpy()
                    for _ in range(np.count_nonzero(found == jet_id)):
                        yield Chunk(str(path), group, len(found))


def _content(jets: Jets) -> tuple[NDArray[Any], ...]:
    return jets.ids, jets.events, jets.kinematics, jets.multiplicity, jets.constituents


def _check_schema(path: Path, file: pq.ParquetFile, first: Path) -> None:
    fault = schema_fault(file.schema_arrow)
    if path != first:
        with opened(first) as other:
            _check_same_columns(path, _columns(file), first, _columns(other))
    if fault:
        raise BrokenShard(f"{path}: {fault}")
    if not file.metadata.num_rows:
        raise BrokenShard(f"{path}: an empty file, without a single jet; remove it or generate it again")


def _columns(file: pq.ParquetFile) -> dict[str, str]:
    return {field.name: kind(field.type) for field in file.schema_arrow}


def _check_same_columns(path: Path, found: dict[str, str], first: Path, expected: dict[str, str]) -> None:
    differing = sorted(name for name, _ in set(expected.items()) ^ set(found.items()))
    if differing:
        columns = ", ".join(map(repr, dict.fromkeys(differing)))
        raise BrokenShard(f"{path}: two schemas in one folder: columns {columns} differ from {first.name}")


def _check_groups(path: Path, file: pq.ParquetFile, groups: Sequence[int], sample: str) -> Jets:
    """Return the jets of row groups after a check of all at once. Raises BrokenShard for the first with a fault."""
    try:
        table = file.read_row_groups(groups, columns=SCHEMA.names, use_threads=False)
        if table_fault(table, sample) is None and jets_fault(jets := to_jets(table)) is None:
            return jets
    except (*DAMAGE, OSError):
        pass  # named below
    return Jets.concatenate([_check_group(path, file, group, sample) for group in groups])


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
