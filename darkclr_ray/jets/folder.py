"""Open a set of jets, a folder ``<split>/<sample>/*.parquet`` of shards, after a complete check."""

from __future__ import annotations

import importlib.resources
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from darkclr_ray.jets.checking import Part, check_events, check_ids, check_part
from darkclr_ray.jets.counts import COUNTED, fractions
from darkclr_ray.jets.generation.samples import NAMED
from darkclr_ray.jets.packed import Jets
from darkclr_ray.jets.shards import SPLITS, BrokenShard, Chunk, read_chunks

LAYOUT = f"<split>/<sample>/*.parquet with split one of {', '.join(SPLITS)}"


@dataclass(frozen=True, eq=False)
class JetFolder:
    """Set of jets that was checked; :func:`open_jets` returns it."""

    path: Path
    parts: Mapping[tuple[str, str], Part]

    def splits(self) -> tuple[str, ...]:
        """Return the splits that are present, in the order train, validation, test."""
        return tuple(split for split in SPLITS if any(split == key[0] for key in self.parts))

    def samples(self, split: str) -> tuple[str, ...]:
        """Return the samples of a split, in the paper's order, then others. Raises ValueError for an absent split."""
        names = sorted(sample for part, sample in self.parts if part == split)
        if not names:
            raise ValueError(f"{self.path}: no split {split!r}; present: {', '.join(self.splits())}")
        return (*(name for name in NAMED if name in names), *(name for name in names if name not in NAMED))

    def load(self, split: str, sample: str) -> Jets:
        """Return all jets of one sample of one split. Raises ValueError if it is absent."""
        return read_chunks(self.chunks(split, sample))

    def chunks(self, split: str, sample: str) -> list[Chunk]:
        """Return the row groups in the order in which :meth:`load` reads them."""
        return list(self._part(split, sample).chunks)

    def fingerprint(self, split: str, sample: str) -> str:
        """Return a hash (hex) of the jets' content, independent of files, row groups and compression."""
        return self._part(split, sample).fingerprint

    def metadata(self, split: str, sample: str) -> dict[str, Any]:
        """Return the metadata common to all shards of the sample.

        Counts are summed, and fractions are computed from the sums.
        """
        part = self._part(split, sample)
        shards = part.metadata
        first = shards[0]
        pooled = {key: first[key] for key in first if all(shard.get(key) == first[key] for shard in shards)}
        if all("counts" in shard for shard in shards):
            counts = {name: sum(shard["counts"][name] for shard in shards) for name in COUNTED}
            pooled |= {"counts": counts, **fractions(counts)}
        return pooled | {"jets": len(part.ids), "shards": len(shards)}

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

    Raises:
        BrokenShard (a ValueError): no jets; a missing or mistyped column; a truncated or empty file; two schemas in one
            folder; a value out of range; constituents out of order; a jet without constituents; a jet id that appears
            twice; an event in two splits. It names file, row group and column.

    Warns:
        UserWarning: momenta seem to be in MeV.
    """
    folder = Path(folder)
    try:
        parts = _parts(folder)
    except OSError as error:
        raise BrokenShard(f"{folder}: cannot be read ({error}); ask for permission, or name another folder") from None
    if not parts:
        raise BrokenShard(f"{folder}: no jets in this folder; expected {LAYOUT}")
    check_ids(folder, parts)
    check_events(folder, parts)
    return JetFolder(folder, parts)


def _parts(folder: Path) -> dict[tuple[str, str], Part]:
    if not folder.exists():
        make = f"darkclr generate --out {folder}"
        raise BrokenShard(f"{folder}: no such folder; `{make}` makes one")
    if not folder.is_dir():
        raise BrokenShard(f"{folder}: a file; expected a folder {LAYOUT}")
    parts = {}
    for split in _splits_in(folder):
        for path in sorted(path for path in (folder / split).iterdir() if _visible_folder(path)):
            parts[split, path.name] = check_part(path)
    return parts


def _splits_in(folder: Path) -> list[str]:
    names = [path.name for path in folder.iterdir() if _visible_folder(path)]
    for name in names:
        if name not in SPLITS and any((folder / name).rglob("*.parquet")):
            raise BrokenShard(f"{folder / name}: unknown split; rename the folder to one of {', '.join(SPLITS)}")
    return [split for split in SPLITS if split in names]


def _visible_folder(path: Path) -> bool:
    return path.is_dir() and not path.name.startswith((".", "_"))
