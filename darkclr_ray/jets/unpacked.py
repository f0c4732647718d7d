"""Unpack jets from shards into plain arrays on disk, which processes map instead of holding them in memory.

The pages of a map belong to the operating system: all processes of a machine share them, and they are given up if
memory is needed for something else.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Sequence
from itertools import groupby
from operator import attrgetter
from pathlib import Path

import numpy as np

from darkclr_ray.integrity import sync_folder
from darkclr_ray.jets.packed import Jets
from darkclr_ray.jets.shards import Chunk, read_chunks

GROUPS = 16
"""Number of row groups that are unpacked at a time."""

ARRAYS = ("constituents", "offsets", "ids", "events", "kinematics")


def unpack(chunks: Sequence[Chunk], constituents: int, folder: Path) -> Path:
    """Write the jets of row groups as arrays into ``folder``, unless it exists, and return it.

    Args:
        chunks: row groups, in order.
        constituents: number of constituents of all of them.
        folder: folder of the arrays, 12 bytes a constituent and 40 a jet. It appears when it is complete.

    Raises:
        OSError: the disk is full, for example.
    """
    if folder.exists():
        return folder
    partial = folder.with_name(f".{folder.name}.{os.getpid()}.partial")
    partial.mkdir(parents=True)
    try:
        _fill(chunks, constituents, partial)
        partial.rename(folder)
        sync_folder(folder.parent)
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        if folder.exists():  # another process was faster
            return folder
        raise
    return folder


def mapped(folder: Path) -> Jets:
    """Return the jets that `unpack` wrote; their arrays are read-only maps of the files."""
    return Jets(*(np.asarray(np.load(folder / f"{name}.npy", mmap_mode="r")) for name in ARRAYS))


def is_mapped(jets: Jets) -> bool:
    """Return whether jets are maps of files."""
    return isinstance(jets.constituents.base, np.memmap)


def _fill(chunks: Sequence[Chunk], constituents: int, folder: Path) -> None:
    size = sum(chunk.rows for chunk in chunks)
    shapes = {
        "constituents": ((constituents, 3), np.float32),
        "offsets": ((size + 1,), np.int64),
        "ids": ((size,), np.int64),
        "events": ((size,), np.int64),
        "kinematics": ((size, 4), np.float32),
    }
    maps = {
        name: np.lib.format.open_memmap(folder / f"{name}.npy", "w+", kind, shape)
        for name, (shape, kind) in shapes.items()
    }
    jet = constituent = 0
    for some in _batches(chunks):
        jets = read_chunks(some)
        rows = slice(jet, jet + len(jets))
        maps["constituents"][constituent : constituent + len(jets.constituents)] = jets.constituents
        maps["offsets"][rows] = jets.offsets[:-1] + constituent
        for name in ("ids", "events", "kinematics"):
            maps[name][rows] = getattr(jets, name)
        jet, constituent = rows.stop, constituent + len(jets.constituents)
    maps["offsets"][size] = constituent
    for array in maps.values():
        array.flush()


def _batches(chunks: Sequence[Chunk]) -> Iterator[list[Chunk]]:
    for _, own in groupby(chunks, key=attrgetter("path")):
        each = list(own)
        yield from (each[start : start + GROUPS] for start in range(0, len(each), GROUPS))
