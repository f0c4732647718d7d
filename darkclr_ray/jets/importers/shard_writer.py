"""Write jets into shards by split and sample, with at most one shard of each in memory."""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from darkclr_ray.jets.importers.options import ImportOptions
from darkclr_ray.jets.packed import Jets
from darkclr_ray.jets.shards import write_shard

JETS_A_SHARD = 10_000

Key = tuple[str, str]


class ShardWriter:
    """Collect jets and write them into ``folder``, one shard at a time.

    Attributes:
        origin: origin of the jets that are being added: file, its fingerprint, and how it is read.
    """

    def __init__(self, folder: Path, options: ImportOptions) -> None:
        self.origin: dict[str, Any] = {}
        self._folder, self._options = folder, options
        self._waiting: dict[Key, list[Jets]] = {}
        self._origins: dict[Key, list[dict[str, Any]]] = {}
        self._shards: dict[Key, int] = {}

    def add(self, split: str, sample: str, jets: Jets) -> None:
        """Add jets of one sample, and write every shard that is full."""
        if not len(jets):
            return
        key = (split, sample)
        waiting, origins = self._waiting.setdefault(key, []), self._origins.setdefault(key, [])
        waiting.append(jets)
        if self.origin not in origins:
            origins.append(self.origin)
        if sum(map(len, waiting)) >= JETS_A_SHARD:
            together = Jets.concatenate(waiting)
            full = len(together) // JETS_A_SHARD * JETS_A_SHARD
            for start in range(0, full, JETS_A_SHARD):
                self._write(key, together.take(np.arange(start, start + JETS_A_SHARD)))
            self._waiting[key] = [together.take(np.arange(full, len(together)))]
            self._origins[key] = [self.origin]

    def close(self) -> None:
        """Write the remaining jets."""
        for key, waiting in self._waiting.items():
            jets = Jets.concatenate(waiting)
            if len(jets):
                self._write(key, jets)

    def _write(self, key: Key, jets: Jets) -> None:
        split, sample = key
        shard = self._shards[key] = self._shards.get(key, -1) + 1
        metadata = {
            "name": sample,
            "split": split,
            "shard": shard,
            "imported": self._origins[key],
            "selection": self._options.selection.model_dump(),
            "splits": self._options.splits,
            "versions": {"darkclr_ray": version("darkclr_ray"), "numpy": version("numpy")},
        }
        write_shard(self._folder / split / sample / f"shard-{shard:05d}.parquet", jets, sample, metadata)
