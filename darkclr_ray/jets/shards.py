"""Read and write shards of jets, Parquet files ``<split>/<sample>/*.parquet`` with split train, validation or test.

One row is one jet (see :data:`~darkclr_ray.jets.schema.SCHEMA`), one row group the part that a shard task reads. A
whole set of them is opened and checked by :func:`~darkclr_ray.jets.folder.open_jets`.
"""

from __future__ import annotations

import contextlib
import json
import os
import platform
from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from operator import attrgetter
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from darkclr_ray.fs_checks import is_of_disk
from darkclr_ray.integrity import replacing
from darkclr_ray.jets.columns import CONSTITUENTS, KINEMATICS
from darkclr_ray.jets.counts import COUNTED, are_counts
from darkclr_ray.jets.packed import Jets
from darkclr_ray.jets.schema import SCHEMA, to_jets, to_table
from darkclr_ray.jets.validity import jets_fault

SPLITS = ("train", "validation", "test")
METADATA_KEY = b"darkclr_ray"
ROW_GROUP = 1000
DAMAGE = (pa.ArrowException, UnicodeDecodeError)
"""Exceptions besides OSError that pyarrow raises for a damaged file."""


class BrokenShard(ValueError):
    """Raised for jets on disk that cannot be used; the message names the file, the problem and the remedy."""


class Chunk(NamedTuple):
    """Row group of a shard, the part that a shard task reads."""

    path: str
    row_group: int
    rows: int


def write_shard(path: Path, jets: Jets, sample: str, metadata: Mapping[str, Any]) -> None:
    """Write one shard atomically: a writer that is killed leaves no file at ``path``.

    Raises:
        BrokenShard: the jets are not valid, so that they could not be opened again.
        OSError: the file cannot be written.
    """
    fault = jets_fault(jets)
    if fault:
        raise BrokenShard(f"{path}: not written: column {fault.column!r}: {fault.what}")
    if not len(jets):
        raise BrokenShard(f"{path}: not written: there is no jet to write")
    if len(np.unique(jets.ids)) < len(jets):
        raise BrokenShard(f"{path}: not written: column 'jet_id': some jets have the same; give each its own")
    extra = {METADATA_KEY: json.dumps(metadata, sort_keys=True).encode()}
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        with replacing(path, owner=f"{platform.node()}-{os.getpid()}") as partial:
            pq.write_table(
                to_table(jets, sample).replace_schema_metadata(extra),
                partial,
                row_group_size=ROW_GROUP,
                compression="zstd",
                compression_level=3,
                use_dictionary=["sample"],
                write_page_checksum=True,
                # bytes of floats compress better if they are grouped by significance, without loss
                use_byte_stream_split=[*KINEMATICS, *(f"{name}.list.element" for name in CONSTITUENTS)],
            )
    except OSError as error:
        error.filename = error.filename or str(path)  # the error of a full disk does not name the file
        raise


def read_metadata(path: Path) -> dict[str, Any]:
    """Return the metadata of a shard; empty if this package did not write it.

    Raises BrokenShard if it cannot be read.
    """
    with opened(path) as file:
        return metadata_of(path, file)


def read_chunks(chunks: Sequence[Chunk]) -> Jets:
    """Return the jets of row groups, in this order, without a check.

    :func:`~darkclr_ray.jets.folder.open_jets` checks them.
    """
    columns = [name for name in SCHEMA.names if name != "sample"]
    parts = []
    for path, own in groupby(chunks, key=attrgetter("path")):
        with opened(Path(path)) as file:
            parts.append(to_jets(file.read_row_groups([chunk.row_group for chunk in own], columns=columns)))
    return Jets.concatenate(parts)


@contextlib.contextmanager
def opened(path: Path) -> Iterator[pq.ParquetFile]:
    """Open a shard's file as a context manager. Raises BrokenShard if it cannot be read."""
    try:
        if not path.stat().st_size:
            raise BrokenShard(f"{path}: an empty file of 0 bytes; remove it, then fetch or generate it again")
        with pq.ParquetFile(path, page_checksum_verification=True) as file:
            yield file
    except PermissionError as error:
        raise BrokenShard(f"{path}: cannot be read ({error.strerror}); ask for permission to read it") from None
    except (*DAMAGE, OSError) as error:
        if is_of_disk(error):
            raise
        raise BrokenShard(
            f"{path}: truncated, or no Parquet file ({in_one_line(error)}); remove it, then fetch or generate it again"
        ) from None


def in_one_line(error: Exception) -> str:
    """Return a library's message on a file in one line, shortened.

    >>> in_one_line(OSError("Couldn't deserialize:  no type"))
    "Couldn't deserialize: no type"
    """
    return " ".join(str(error).split())[:200]


def metadata_of(path: Path, file: pq.ParquetFile) -> dict[str, Any]:
    """Return the metadata of an open file, as `read_metadata` does."""
    text = (file.schema_arrow.metadata or {}).get(METADATA_KEY)
    if text is None:
        return {}
    try:
        metadata = json.loads(text)
    except (ValueError, RecursionError):
        metadata = None
    if not isinstance(metadata, dict) or not are_counts(metadata.get("counts", dict.fromkeys(COUNTED, 0))):
        what = f"its notes (metadata {METADATA_KEY.decode()!r}) are damaged"
        raise BrokenShard(f"{path}: {what}; remove it, then fetch or generate it again")
    return metadata
