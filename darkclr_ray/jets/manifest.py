"""Manifest of a checked set of jets: what was found in each shard, so that an unchanged shard is not read again.

The hidden folder ``.manifest`` beside the splits contains ``manifest.json``, a record of each shard, and for each shard
a run ``<digest>.npy``: its jet ids in ascending order, then its distinct events in ascending order, int64. If the set
of jets is not writable, or belongs to the package, the manifest is in the user's cache folder; if that is not writable
either, shards are read again.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
import shutil
import threading
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from darkclr_ray.fs_checks import cache_folder
from darkclr_ray.integrity import Damaged, read_sealed, replacing, write_sealed

VERSION = 1
"""Version of records and of the check that they stand for; a manifest of another version is not used."""

FILE = "manifest.json"

Run = NDArray[np.int64]


@dataclass(frozen=True)
class ShardRecord:
    """What the check of one shard found.

    Attributes:
        size, modified: size in bytes and time of modification in ns of the file.
        digest: hash of the jets, independent of row groups and compression.
        rows: number of jets in each row group, also 0.
        constituents, events: number of constituents, and of distinct events.
        columns: type of each column, by name.
        metadata: metadata of the shard; empty if this package did not write it.
        warning: why momenta may be in another unit; None if they are plausible.
    """

    size: int
    modified: int
    digest: str
    rows: tuple[int, ...]
    constituents: int
    events: int
    columns: dict[str, str]
    metadata: dict[str, Any]
    warning: str | None

    @property
    def jets(self) -> int:
        """Return the number of jets."""
        return sum(self.rows)


class Manifest:
    """Records and runs of the shards of one set of jets, by path relative to the set's folder.

    Attributes:
        records: of the shards that were there when the whole set was last checked.
    """

    def __init__(self, folder: Path, *, beside: bool) -> None:
        name = hashlib.blake2b(str(folder.resolve()).encode(), digest_size=16).hexdigest()
        places = [folder / ".manifest"] if beside else []
        self._places = [*places, cache_folder(folder) / "manifests" / name]
        self._held: dict[str, Run] = {}
        self.records = next(filter(None, map(_read, self._places)), {})

    def known(self, shard: str, path: Path) -> ShardRecord | None:
        """Return the record of a shard; None if there is none, or if file or run have changed since."""
        record, status = self.records.get(shard), path.stat()
        if record is None or (record.size, record.modified) != (status.st_size, status.st_mtime_ns):
            return None
        return record

    def add_run(self, digest: str, ids: Run, events: Run) -> None:
        """Keep the sorted ids and distinct events of a shard, in memory if no folder is writable."""
        run = np.concatenate([ids, events])
        for place in self._places:
            with contextlib.suppress(OSError):
                place.mkdir(parents=True, exist_ok=True)
                owner = f"{os.getpid()}-{threading.get_ident()}"
                with replacing(place / f"{digest}.npy", owner) as partial, open(partial, "wb") as file:
                    np.save(file, run)
                return
        self._held[digest] = run

    def run(self, record: ShardRecord) -> tuple[Run, Run] | None:
        """Return the sorted ids and the distinct events of a shard, as maps of a file; None if they are gone."""
        run = self._held.get(record.digest)
        for place in self._places if run is None else ():
            with contextlib.suppress(OSError, ValueError):
                run = np.load(place / f"{record.digest}.npy", mmap_mode="r")
                break
        if run is None or len(run) != record.jets + record.events:
            return None
        return run[: record.jets], run[record.jets :]

    def unpacked(self, fingerprint: str) -> Path:
        """Return the folder for the unpacked jets of a sample, in the first place where there is one or can be one."""
        for place in self._places:
            with contextlib.suppress(OSError):
                place.mkdir(parents=True, exist_ok=True)
                if (place / fingerprint).exists() or os.access(place, os.W_OK):
                    return place / fingerprint
        raise OSError(errno.EROFS, "no room to unpack these jets, here or in the cache folder", str(self._places[0]))

    def write(self, records: Mapping[str, ShardRecord], fingerprints: Collection[str]) -> None:
        """Replace the manifest, after the whole set was checked; remove what belongs to shards and samples of before.

        Args:
            records: records of all shards.
            fingerprints: fingerprints of the samples that consist of them.
        """
        content = {"version": VERSION, "shards": {shard: asdict(record) for shard, record in records.items()}}
        used = {f"{record.digest}.npy" for record in records.values()}
        for place in self._places:
            with contextlib.suppress(OSError):
                place.mkdir(parents=True, exist_ok=True)
                write_sealed(place / FILE, lambda file: file.write(json.dumps(content).encode()), str(os.getpid()))
                for path in place.glob("*.npy"):
                    if path.name not in used:
                        path.unlink(missing_ok=True)
                for path in place.iterdir():
                    if path.is_dir() and path.name not in fingerprints and not path.name.startswith("."):
                        shutil.rmtree(path, ignore_errors=True)
                return


def _read(place: Path) -> dict[str, ShardRecord]:
    try:
        content = json.loads(read_sealed(place / FILE))
    except (OSError, Damaged, ValueError):
        return {}
    if content["version"] != VERSION:
        return {}
    return {
        shard: ShardRecord(**{**record, "rows": tuple(record["rows"])}) for shard, record in content["shards"].items()
    }
