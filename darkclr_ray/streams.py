"""Batches of augmented jets from Ray Data, equal bit for bit to those that are made in memory.

One execution of Ray Data serves a whole training. Its items are the pools of all epochs. A data worker reads a pool's
jets from the object store or from shards, makes the views of each batch, and returns them as Arrow tables with one row
per batch, which reach the training without a copy. The content of a batch is a function of settings, seed and epoch
only, so that neither the number of data workers nor a task that is repeated after a worker was lost can change it.
"""

from __future__ import annotations

import errno
import logging
import os
import threading
import time
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property, partial
from pathlib import Path
from typing import Protocol

import numpy as np
import pyarrow as pa
import ray
import ray.data
from numpy.typing import NDArray
from ray.data import DataContext, ExecutionResources, TaskPoolStrategy

from darkclr_ray.augmentations.views import ViewBatch, check, log_left_out, views_of_batches
from darkclr_ray.jets.batching import POOL, BatchPlan, batch_slice
from darkclr_ray.jets.folder import JetFolder
from darkclr_ray.jets.packed import Jets
from darkclr_ray.jets.shards import Chunk, read_chunks
from darkclr_ray.jets.unpacked import mapped
from darkclr_ray.settings import InputSettings, ViewSettings

TASK = 2**17
"""Number of jets whose views a task makes: half a second of work, compared with 20 ms to start a task."""

LARGEST_CHUNK = 2**16
"""Largest number of jets in a row group for which reading whole row groups is efficient."""

BLOCK_BYTES = 2**24
"""Size in bytes of the blocks of batches that a task returns."""

WAITING_BYTES = 2**27
"""Size in bytes of the batches that may wait for the training, per data worker and once more; then workers pause."""

REST = 0.05
"""Seconds between two steps of Ray Data's scheduling while no training waits for a block."""

PAUSE = 0.003
"""Seconds between two steps of Ray Data's scheduling while a training waits for a block."""


class JetSource(Protocol):
    """Protocol of sources of jets that data workers can read; a source is small enough to be pickled."""

    @property
    def jets(self) -> int:
        """Return the number of jets in the set."""

    def read(self, rows: NDArray[np.int64]) -> tuple[Jets, NDArray[np.int64]]:
        """Return jets of the set that include those with the given increasing numbers, and the positions of these."""

    def load(self) -> Jets:
        """Return all jets of the set, in its order."""


@dataclass(frozen=True)
class StoredJets:
    """Jets in Ray's object store; they exist as long as this object does in the process that stored them.

    Attributes:
        reference: object reference of the :class:`Jets`.
        jets: number of jets.
    """

    reference: ray.ObjectRef[Jets]
    jets: int

    def read(self, rows: NDArray[np.int64]) -> tuple[Jets, NDArray[np.int64]]:
        """Return all jets, without a copy, and the given numbers."""
        return self.load(), rows

    def load(self) -> Jets:
        """Return all jets, without a copy."""
        return ray.get(self.reference)


@dataclass(frozen=True)
class ShardJets:
    """Jets in shards that every node can read.

    Attributes:
        chunks: row groups in the order of the set.
        fingerprint: fingerprint of all of them, if it is known (`darkclr_ray.jets.folder.JetFolder.fingerprint`).
        unpacked: folder of the same jets as arrays (`darkclr_ray.jets.unpacked`), if they were unpacked.
        stamps: size and modification time of each file at creation; changed files are not read.

    Raises:
        ValueError: a row group is too large to read all of it for a part of its jets.
    """

    chunks: tuple[Chunk, ...]
    fingerprint: str | None = None
    unpacked: str | None = None
    stamps: dict[str, tuple[int, int]] = field(init=False)

    def __post_init__(self) -> None:
        for chunk in self.chunks:
            if chunk.rows > LARGEST_CHUNK:
                raise ValueError(
                    f"{chunk.path}, row group {chunk.row_group}: {chunk.rows} jets; streaming from shards needs row "
                    f"groups of {LARGEST_CHUNK} jets at most, better 1000: write the file again "
                    f"(pandas: to_parquet(..., row_group_size=1000)), or raise compute.materialise_limit"
                )
        # the working folder of a worker differs from that of the driver
        here = tuple(chunk._replace(path=os.path.abspath(chunk.path)) for chunk in self.chunks)
        object.__setattr__(self, "chunks", here)
        object.__setattr__(self, "stamps", {chunk.path: stamp(chunk.path) for chunk in self.chunks})

    @cached_property
    def jets(self) -> int:
        """Return the number of jets in the set."""
        return sum(chunk.rows for chunk in self.chunks)

    def read(self, rows: NDArray[np.int64]) -> tuple[Jets, NDArray[np.int64]]:
        """Return the jets of the row groups that contain the given numbers, and the positions of these."""
        sizes = np.array([chunk.rows for chunk in self.chunks])
        ends = np.cumsum(sizes)
        of_rows = np.searchsorted(ends, rows, side="right")
        needed, place = np.unique(of_rows, return_inverse=True)
        first = np.cumsum(sizes[needed]) - sizes[needed]
        jets = self._read([self.chunks[number] for number in needed])
        return jets, rows - (ends - sizes)[of_rows] + first[place]

    def load(self) -> Jets:
        """Return the jets of all row groups, as maps of files if they were unpacked."""
        jets = mapped(Path(self.unpacked)) if self.unpacked else self._read(self.chunks)
        return jets.with_fingerprint(self.fingerprint) if self.fingerprint else jets

    def intact(self) -> bool:
        """Return whether the files exist and are unchanged since this object was created."""
        try:
            return (self.unpacked is None or os.path.isdir(self.unpacked)) and all(
                stamp(path) == known for path, known in self.stamps.items()
            )
        except OSError:
            return False

    def _read(self, chunks: Sequence[Chunk]) -> Jets:
        """Return the jets of some row groups. Raises OSError if a file has changed since it was checked."""
        for path in dict.fromkeys(chunk.path for chunk in chunks):
            if stamp(path) != self.stamps[path]:
                raise OSError(errno.ESTALE, "these jets changed while they were used; restore this file", path)
        return read_chunks(chunks)


def stamp(path: str) -> tuple[int, int]:
    """Return the size in bytes and the modification time in ns of a file."""
    status = os.stat(path)
    return status.st_size, status.st_mtime_ns


def store(jets: Jets, *, trees: bool = False) -> StoredJets:
    """Put jets into the object store, once for a study, with their trees if views need them.

    The returned source is passed to the trials.
    """
    if trees:
        jets.tree  # noqa: B018  # made here and sent along
    return StoredJets(ray.put(jets), len(jets))


def materialise(folder: JetFolder, split: str, sample: str, *, limit: float, trees: bool = False) -> JetSource:
    """Return the jets of a sample for a whole study, in the object store up to ``limit`` GB, otherwise on disk.

    Those in the object store include their trees if ``trees`` is true (see `need_trees`).

    Raises ValueError if there is no such sample, or if it exceeds the limit and its row groups are too large to be
    streamed.
    """
    if folder.nbytes(split, sample) <= limit * 1e9:
        return store(folder.load(split, sample), trees=trees)
    unpacked = str(folder.unpacked(split, sample).resolve())
    return ShardJets(tuple(folder.chunks(split, sample)), folder.fingerprint(split, sample), unpacked)


@dataclass(frozen=True)
class RayViews:
    """Source of batches made by Ray Data, equal to those of :class:`darkclr_ray.augmentations.views.MemoryViews`.

    Every rank opens its own stream, inside its training worker. Arrays are read-only, in the object store's memory.

    Attributes:
        source: source of the jets; see :func:`materialise`.
        views: settings of the views.
        inputs: settings of the network's inputs.
        batch_size: number of jets per step, over all ranks.
        seed: seed of the order and the views.
        cpus: CPUs for the data workers of one stream, of those that no training holds. They must exist, otherwise the
            training waits forever. Below one, a single data worker holds that fraction of a CPU.
        pool: number of jets that are shuffled together; see :mod:`darkclr_ray.jets.batching`.

    Raises:
        ValueError: a transformation is unknown, or there are fewer jets than in a batch.
    """

    source: JetSource
    views: ViewSettings
    inputs: InputSettings
    batch_size: int
    seed: int
    cpus: float = 1.0
    pool: int = POOL

    def __post_init__(self) -> None:
        check(self.views, self.inputs)
        assert self.plan.steps_per_epoch

    @cached_property
    def plan(self) -> BatchPlan:
        """Return the assignment of jets to batches."""
        return BatchPlan(self.source.jets, self.batch_size, self.seed, self.pool)

    @property
    def steps_per_epoch(self) -> int:
        return self.plan.steps_per_epoch

    def stream(self, first_epoch: int, last_epoch: int, rank: int = 0, world_size: int = 1) -> Iterator[ViewBatch]:
        part = batch_slice(self.batch_size, rank, world_size)
        log_left_out(self.plan)
        pools = range(len(self.plan.pools(first_epoch)))  # the same number in each epoch
        items = [{"epoch": epoch, "pool": pool} for epoch in range(first_epoch, last_epoch) for pool in pools]
        if not items:
            return
        workers = max(1, int(self.cpus))
        tasks = min(len(items), max(workers, (last_epoch - first_epoch) * self.source.jets // TASK))
        with DataContext.current(_quiet_context(self.cpus, workers)):
            dataset = ray.data.from_items(items, override_num_blocks=tasks).map_batches(
                partial(_augmented, recipe=self, part=part),
                batch_size=None,
                batch_format="pyarrow",
                num_cpus=min(1.0, self.cpus),
                compute=TaskPoolStrategy(size=min(workers, tasks)),
            )
        blocks = iter(dataset.iter_batches(batch_size=None, batch_format="pyarrow", prefetch_batches=2))
        try:
            for block in _waited_for(blocks):
                yield from _unpacked(block)
        finally:
            if isinstance(blocks, Generator):
                blocks.close()  # ends the execution and its tasks if the stream is closed early


def _augmented(tasks: pa.Table, recipe: RayViews, part: slice) -> Iterator[pa.Table]:
    """Yield the batches of a task, each as a table of one row; this runs on a data worker."""
    for task in tasks.to_pylist():
        pool = recipe.plan.pools(task["epoch"])[task["pool"]]
        rows = pool.rows()
        jets, places = recipe.source.read(rows)
        batches = places[np.searchsorted(rows, pool.batches()[:, part])]
        how = {"seed": recipe.seed, "epoch": pool.epoch, "first_step": pool.first_step}
        yield from map(_packed, views_of_batches(jets, batches, recipe.views, recipe.inputs, **how))


_ARRAYS = ("constituents", "offsets", "ids")
_NUMBERS = ("views", "epoch", "step")


def _packed(batch: ViewBatch) -> pa.Table:
    """Return a batch as a table of one row."""
    columns = {}
    for name in _ARRAYS:
        values = getattr(batch, name).reshape(-1)
        columns[name] = pa.LargeListArray.from_arrays(np.array([0, len(values)]), pa.array(values))
    return pa.table(columns | {name: pa.array([getattr(batch, name)]) for name in _NUMBERS})


def _unpacked(block: pa.Table) -> Iterator[ViewBatch]:
    """Yield the batches of a table, without a copy."""
    for row in range(len(block)):
        constituents, offsets, ids = (block[name][row].values.to_numpy() for name in _ARRAYS)
        yield ViewBatch(constituents.reshape(-1, 3), offsets, ids, *(block[name][row].as_py() for name in _NUMBERS))


_starved = threading.Event()
"""Event that is set while a training of this process waits for a block."""


def _waited_for(blocks: Iterator[pa.Table]) -> Iterator[pa.Table]:
    """Yield the same blocks; `_starved` is set while the next one is awaited."""
    while True:
        _starved.set()
        try:
            block = next(blocks, None)
        finally:
            _starved.clear()
        if block is None:
            return
        yield block


class _Unhurried:
    """Execution callback of Ray Data that pauses its scheduling thread.

    The thread shares a process with the training. Without a pause it would run continuously (Ray 2.60: as long as the
    limit on waiting batches prevents a data worker from delivering a block), which uses a whole core. If several
    trainings of one process have streams, all use the same pause.

    `ray.data.DataContext` accepts such classes, but their base class is not public: all of its methods are defined
    here.
    """

    def before_execution_starts(self, executor: object) -> None:
        """Do nothing."""

    def on_execution_step(self, executor: object) -> None:
        """Pause before the next step."""
        if _starved.wait(REST):
            time.sleep(PAUSE)

    def after_execution_succeeds(self, executor: object) -> None:
        """Do nothing."""

    def after_execution_fails(self, executor: object, error: Exception) -> None:
        """Do nothing."""


def _quiet_context(cpus: float, workers: int) -> DataContext:
    """Return Ray Data's settings for one stream, without changes to those of other streams."""
    context = DataContext.get_current().copy()
    context.enable_progress_bars = False
    context.print_on_execution_start = False
    context.raise_original_map_exception = True  # the training worker distinguishes disk errors from others
    context.target_max_block_size = BLOCK_BYTES
    context.custom_execution_callback_classes = [*context.custom_execution_callback_classes, _Unhurried]  # type: ignore[list-item]
    context.execution_options.preserve_order = True
    context.execution_options.resource_limits = ExecutionResources.for_limits(
        cpu=cpus, object_store_memory=WAITING_BYTES * (workers + 1)
    )
    for handler in logging.getLogger("ray.data").handlers:
        if isinstance(handler, logging.StreamHandler) and not isinstance(handler, logging.FileHandler):
            handler.setLevel(logging.ERROR)
    return context
