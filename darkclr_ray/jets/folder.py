"""Open a set of jets, a folder ``<split>/<sample>/*.parquet`` of shards, after a complete check."""

from __future__ import annotations

import importlib.resources
import math
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from darkclr_ray.jets.checking import Part, check_events, check_ids, check_shards, read_run, shards_in
from darkclr_ray.jets.counts import COUNTED, fractions
from darkclr_ray.jets.generation.samples import NAMED
from darkclr_ray.jets.manifest import Manifest, ShardRecord
from darkclr_ray.jets.packed import Jets
from darkclr_ray.jets.shards import SPLITS, BrokenShard, Chunk, opened, read_chunks
from darkclr_ray.jets.unpacked import mapped, unpack

LAYOUT = f"<split>/<sample>/*.parquet with split one of {', '.join(SPLITS)}"


@dataclass(frozen=True, eq=False)
class JetFolder:
    """Set of jets that was checked; :func:`open_jets` returns it."""

    path: Path
    parts: Mapping[tuple[str, str], Part]
    manifest: Manifest

    def splits(self) -> tuple[str, ...]:
        """Return the splits that are present, in the order train, validation, test."""
        return tuple(split for split in SPLITS if any(split == key[0] for key in self.parts))

    def samples(self, split: str) -> tuple[str, ...]:
        """Return the samples of a split, in the paper's order, then others. Raises ValueError for an absent split."""
        names = sorted(sample for part, sample in self.parts if part == split)
        if not names:
            raise ValueError(f"{self.path}: no split {split!r}; present: {', '.join(self.splits())}")
        return (*(name for name in NAMED if name in names), *(name for name in names if name not in NAMED))

    def load(self, split: str, sample: str, *, limit: float = math.inf) -> Jets:
        """Return all jets of one sample of one split.

        Jets that take more than ``limit`` bytes are unpacked on disk, once for all processes and studies, and are
        returned as read-only maps of these files (see `darkclr_ray.jets.unpacked`).

        Raises:
            ValueError: the split has no such sample.
            OSError: jets cannot be unpacked, because the disk is full, for example.
        """
        if self.nbytes(split, sample) > limit:
            return mapped(self.unpacked(split, sample)).with_fingerprint(self.fingerprint(split, sample))
        return read_chunks(self.chunks(split, sample)).with_fingerprint(self.fingerprint(split, sample))

    def unpacked(self, split: str, sample: str) -> Path:
        """Return the folder of the unpacked jets of one sample of one split; unpack them if it does not exist."""
        part = self._part(split, sample)
        constituents = sum(record.constituents for record in part.records)
        return unpack(part.chunks, constituents, self.manifest.unpacked(part.fingerprint))

    def count(self, split: str, sample: str) -> int:
        """Return the number of jets of one sample of one split."""
        return sum(record.jets for record in self._part(split, sample).records)

    def events(self, split: str, sample: str) -> NDArray[np.int64]:
        """Return the event of each jet of one sample of one split, (B,)."""
        events = []
        for path in dict.fromkeys(chunk.path for chunk in self._part(split, sample).chunks):
            with opened(Path(path)) as file:
                events.append(file.read(columns=["event_id"]).column(0).to_numpy())
        return np.concatenate(events)

    def nbytes(self, split: str, sample: str) -> int:
        """Return the bytes that the jets of one sample of one split take in memory."""
        records = self._part(split, sample).records
        return sum(12 * record.constituents + 40 * record.jets for record in records)

    def chunks(self, split: str, sample: str) -> list[Chunk]:
        """Return the row groups in the order in which :meth:`load` reads them."""
        return list(self._part(split, sample).chunks)

    def fingerprint(self, split: str, sample: str) -> str:
        """Return a hash (hex) of the jets' content in each shard, independent of row groups and compression."""
        return self._part(split, sample).fingerprint

    def metadata(self, split: str, sample: str) -> dict[str, Any]:
        """Return the metadata common to all shards of the sample.

        Counts are summed, and fractions are computed from the sums.
        """
        part = self._part(split, sample)
        shards = [record.metadata for record in part.records]
        first = shards[0]
        pooled = {key: first[key] for key in first if all(shard.get(key) == first[key] for shard in shards)}
        if all("counts" in shard for shard in shards):
            counts = {name: sum(shard["counts"][name] for shard in shards) for name in COUNTED}
            pooled |= {"counts": counts, **fractions(counts)}
        return pooled | {"jets": sum(record.jets for record in part.records), "shards": len(shards)}

    def _part(self, split: str, sample: str) -> Part:
        if sample not in self.samples(split):
            present = ", ".join(self.samples(split))
            raise ValueError(f"{self.path}: no sample {sample!r} in {split}; present: {present}")
        return self.parts[split, sample]


def starter_jets() -> Path:
    """Return the folder of the jets in the package.

    >>> open_jets(starter_jets()).samples("test")
    ('qcd', 'aachen', 'rinv_0.5', 'rinv_0.2', 'mass_10', 'mass_20')
    """
    return Path(str(importlib.resources.files("darkclr_ray.jets") / "starter"))


def starter_donors() -> Path:
    """Return the folder of the QCD jets of 300 to 1,200 GeV in the package, from which pseudo-anomalies are made.

    >>> open_jets(starter_donors()).samples("train")
    ('donors',)
    """
    return Path(str(importlib.resources.files("darkclr_ray.jets") / "donors"))


def open_jets(folder: str | Path) -> JetFolder:
    """Return a set of jets after every file of it was read and checked once.

    A manifest of what was found is written beside the splits (see `darkclr_ray.jets.manifest`), so that a shard is read
    again only if its size or its time of modification has changed.

    Raises:
        BrokenShard (a ValueError): no jets; a missing or mistyped column; a truncated or empty file; two schemas in one
            folder; a value out of range; constituents out of order; a jet without constituents; a jet id that appears
            twice; an event in two splits. It names file, row group and column.

    Warns:
        UserWarning: momenta seem to be in MeV.
    """
    folder = Path(folder)
    try:
        paths = [path for sample in _samples_in(folder) for path in shards_in(sample)]
        if not paths:
            raise BrokenShard(f"{folder}: no jets in this folder; expected {LAYOUT}")
        manifest = Manifest(folder, beside=not folder.resolve().is_relative_to(Path(__file__).parent))
        parts = _checked(folder, paths, manifest)
    except OSError as error:
        raise BrokenShard(f"{folder}: cannot be read ({error}); ask for permission, or name another folder") from None
    for part in parts.values():
        warning = next(filter(None, (record.warning for record in part.records)), None)
        if warning:  # one warning per sample is sufficient
            warnings.warn(warning, UserWarning, stacklevel=2)
    return JetFolder(folder, parts, manifest)


def _checked(folder: Path, paths: Sequence[Path], manifest: Manifest) -> dict[tuple[str, str], Part]:
    """Return the samples of all splits, after a check of what the folder's manifest does not know."""
    names = [str(path.relative_to(folder)) for path in paths]
    records = check_shards(paths, manifest, names)
    named = dict(zip(names, records, strict=True))
    samples: dict[tuple[str, str], dict[Path, ShardRecord]] = {}
    for path, record in zip(paths, records, strict=True):
        samples.setdefault((path.parent.parent.name, path.parent.name), {})[path] = record
    parts = {key: Part.of(shards) for key, shards in samples.items()}
    if named.items() <= manifest.records.items():
        return parts
    runs = {}
    for path, record in zip(paths, records, strict=True):
        runs[path] = manifest.run(record) or read_run(path, manifest, record)
    check_ids(folder, {path: ids for path, (ids, _) in runs.items()})
    splits = {
        split: [events for path, (_, events) in runs.items() if path.parent.parent.name == split] for split in SPLITS
    }
    check_events(folder, {split: events for split, events in splits.items() if events})
    manifest.write(named, {part.fingerprint for part in parts.values()})
    return parts


def _samples_in(folder: Path) -> list[Path]:
    if not folder.exists():
        make = f"darkclr generate --out {folder}"
        raise BrokenShard(f"{folder}: no such folder; `{make}` makes one")
    if not folder.is_dir():
        raise BrokenShard(f"{folder}: a file; expected a folder {LAYOUT}")
    splits = _splits_in(folder)
    return [path for split in splits for path in sorted((folder / split).iterdir()) if _visible_folder(path)]


def _splits_in(folder: Path) -> list[str]:
    names = [path.name for path in folder.iterdir() if _visible_folder(path)]
    for name in names:
        if name not in SPLITS and any((folder / name).rglob("*.parquet")):
            raise BrokenShard(f"{folder / name}: unknown split; rename the folder to one of {', '.join(SPLITS)}")
    return [split for split in SPLITS if split in names]


def _visible_folder(path: Path) -> bool:
    return path.is_dir() and not path.name.startswith((".", "_"))
