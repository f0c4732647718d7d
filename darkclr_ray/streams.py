"""Batches of augmented jets from Ray Data: the same, bit for bit, as from memory.

One execution of Ray Data serves a whole training. Its items are the pools of all epochs. A data worker gets a pool's
raw jets, from the object store or from shards, makes the views of each batch, and hands them on as Arrow rows, one a
batch, which reach the training without a copy. What a batch holds is a function of settings, seed and epoch alone, so
neither the number of data workers nor a task run again after its worker was lost can change it.
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
from typing import Protocol

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import ray
import ray.data
from numpy.typing import NDArray
from ray.data import DataContext, ExecutionResources, TaskPoolStrategy

from darkclr_ray.augmentations.views import ViewBatch, check, log_left_out, views_of_batches
from darkclr_ray.jets.batching import POOL, BatchPlan, rank_slice
from darkclr_ray.jets.folder import JetFolder
from darkclr_ray.jets.packed import Jets
from darkclr_ray.jets.shards import Chunk, read_chunks
from darkclr_ray.settings import InputSettings, ViewSettings

TASK = 2**17
"""Jets that a task makes views of: half a second of work, against some 20 ms that starting a task takes."""

LARGEST_CHUNK = 2**16
"""Jets of a row group beyond which reading whole row groups would waste time and memory."""

BLOCK_BYTES = 2**24
"""Size of the blocks in which batches leave a task."""

WAITING_BYTES = 2**27
"""What may wait for the training, for each data worker and once more: what a task makes. Beyond, workers pause."""

REST = 0.05
"""Seconds between two steps of Ray Data's scheduling while no training waits for a block."""

PAUSE = 0.003
"""The same while one does: it delays a block by little."""


class JetSource(Protocol):
    """Raw jets that data workers can get at; small enough to be sent around."""

    @property
    def jets(self) -> int:
        """Jets in the set."""

    def read(self, rows: NDArray[np.int64]) -> tuple[Jets, NDArray[np.int64]]:
        """Some jets of the set, and where among them those with the given numbers, rising, are."""

    def load(self) -> Jets:
        """All jets of the set, in its order."""


@dataclass(frozen=True)
class StoredJets:
    """Raw jets in Ray's object store, put there once for a study; they stay as long as this lives in who put them.

    Attributes:
        reference: of the :class:`Jets`.
        jets: how many there are.
    """

    reference: ray.ObjectRef[Jets]
    jets: int

    def read(self, rows: NDArray[np.int64]) -> tuple[Jets, NDArray[np.int64]]:
        """All jets, without a copy."""
        return self.load(), rows

    def load(self) -> Jets:
        """All jets, without a copy."""
        return ray.get(self.reference)


@dataclass(frozen=True)
class ShardJets:
    """Raw jets in shards that every node can read.

    Attributes:
        chunks: row groups in the order of the set.
        stamps: size and time of each file when this was made; what is read later is only read from the same files.

    Raises:
        ValueError: a row group is too large to be read for a part of it.
    """

    chunks: tuple[Chunk, ...]
    stamps: dict[str, tuple[int, int]] = field(init=False)

    def __post_init__(self) -> None:
        for chunk in self.chunks:
            if chunk.rows > LARGEST_CHUNK:
                raise ValueError(
                    f"{chunk.path}, row group {chunk.row_group}: {chunk.rows} jets; streaming from shards needs row "
                    f"groups of {LARGEST_CHUNK} jets at most, better 1000: write the file again "
                    f"(pandas: to_parquet(..., row_group_size=1000)), or raise compute.materialise_limit"
                )
        # a worker's folder is another than that of whoever named the jets
        here = tuple(chunk._replace(path=os.path.abspath(chunk.path)) for chunk in self.chunks)
        object.__setattr__(self, "chunks", here)
        object.__setattr__(self, "stamps", {chunk.path: stamp(chunk.path) for chunk in self.chunks})

    @cached_property
    def jets(self) -> int:
        """Jets in the set."""
        return sum(chunk.rows for chunk in self.chunks)

    def read(self, rows: NDArray[np.int64]) -> tuple[Jets, NDArray[np.int64]]:
        """The row groups that hold the jets."""
        sizes = np.array([chunk.rows for chunk in self.chunks])
        ends = np.cumsum(sizes)
        of_rows = np.searchsorted(ends, rows, side="right")
        needed, place = np.unique(of_rows, return_inverse=True)
        first = np.cumsum(sizes[needed]) - sizes[needed]
        jets = self._read([self.chunks[number] for number in needed])
        return jets, rows - (ends - sizes)[of_rows] + first[place]

    def load(self) -> Jets:
        """All row groups."""
        return self._read(self.chunks)

    def intact(self) -> bool:
        """Whether the files are here, as they were when this was made."""
        try:
            return all(stamp(path) == known for path, known in self.stamps.items())
        except OSError:
            return False

    def _read(self, chunks: Sequence[Chunk]) -> Jets:
        """Some row groups. Raises OSError where a file is no longer the one that was checked."""
        for path in dict.fromkeys(chunk.path for chunk in chunks):
            if stamp(path) != self.stamps[path]:
                raise OSError(errno.ESTALE, "these jets changed while they were used; restore this file", path)
        return read_chunks(chunks)


def stamp(path: str) -> tuple[int, int]:
    """Size in bytes and time of the last change in ns."""
    status = os.stat(path)
    return status.st_size, status.st_mtime_ns


def store(jets: Jets, *, trees: bool = False) -> StoredJets:
    """Put raw jets into the object store, once for a study, with their trees if views need them; hand the result to the
    trials."""
    if trees:
        jets.tree  # noqa: B018  # made here and sent along
    return StoredJets(ray.put(jets), len(jets))


def materialise(folder: JetFolder, split: str, sample: str, *, limit: float, trees: bool = False) -> JetSource:
    """The raw jets of a sample for a whole study: in the object store if they take at most ``limit`` GB, else in
    shards. Those in the object store have their trees with them if ``trees`` asks for it (`need_trees`).

    Raises ValueError if there is no such sample, or it is beyond the limit and in row groups too large to be streamed.
    """
    chunks = folder.chunks(split, sample)
    if size_of(chunks) <= limit * 1e9:
        return store(folder.load(split, sample), trees=trees)
    return ShardJets(tuple(chunks))


def size_of(chunks: Sequence[Chunk]) -> int:
    """Bytes that the jets of these row groups take in memory; reads the footers of their files only."""
    size = 0
    for path in dict.fromkeys(chunk.path for chunk in chunks):
        footer = pq.read_metadata(path)
        pt = footer.schema.to_arrow_schema().get_field_index("constituent_pt")
        groups = [chunk.row_group for chunk in chunks if chunk.path == path]
        size += sum(12 * footer.row_group(group).column(pt).num_values for group in groups)
    return size + 40 * sum(chunk.rows for chunk in chunks)


@dataclass(frozen=True)
class RayViews:
    """Batches made by Ray Data; the same as :class:`darkclr_ray.augmentations.views.MemoryViews` makes of the same
    jets.

    Every rank opens its own stream, from inside its training worker. Arrays are read-only, in the object store's
    memory.

    Attributes:
        source: the raw jets; see :func:`materialise`.
        views: what is done to them.
        inputs: how they enter the network.
        batch_size: jets a step, over all ranks.
        seed: of order and views.
        cpus: CPUs that the data workers of one stream may hold, of those that no training holds. They must exist, or
            the training waits for ever. Below one, a single data worker holds that share of a CPU.
        pool: jets shuffled together; see :mod:`darkclr_ray.jets.batching`.

    Raises:
        ValueError: an unknown transformation, or fewer jets than a batch takes.
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
        """Which jets make which batch."""
        return BatchPlan(self.source.jets, self.batch_size, self.seed, self.pool)

    @property
    def steps_per_epoch(self) -> int:
        return self.plan.steps_per_epoch

    def stream(self, first_epoch: int, last_epoch: int, rank: int = 0, world_size: int = 1) -> Iterator[ViewBatch]:
        part = rank_slice(self.batch_size, rank, world_size)
        log_left_out(self.plan)
        pools = range(len(self.plan.pools(first_epoch)))  # as many in each epoch
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
                blocks.close()  # a stream that is left early: this ends the execution, and its tasks


def _augmented(tasks: pa.Table, recipe: RayViews, part: slice) -> Iterator[pa.Table]:
    """What a data worker does with a task, some pools of jets: one row a batch."""
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
    """A table of one row."""
    columns = {}
    for name in _ARRAYS:
        values = getattr(batch, name).reshape(-1)
        columns[name] = pa.LargeListArray.from_arrays(np.array([0, len(values)]), pa.array(values))
    return pa.table(columns | {name: pa.array([getattr(batch, name)]) for name in _NUMBERS})


def _unpacked(block: pa.Table) -> Iterator[ViewBatch]:
    """The batches of a table, without a copy."""
    for row in range(len(block)):
        constituents, offsets, ids = (block[name][row].values.to_numpy() for name in _ARRAYS)
        yield ViewBatch(constituents.reshape(-1, 3), offsets, ids, *(block[name][row].as_py() for name in _NUMBERS))


_starved = threading.Event()
"""Set while a training of this process waits for a block."""


def _waited_for(blocks: Iterator[pa.Table]) -> Iterator[pa.Table]:
    """Yield the same blocks; `_starved` is set while the next one is waited for."""
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
    """Execution callback of Ray Data that lets its scheduling thread rest.

    The thread shares a process with the training. Without a pause it would turn all the time (Ray 2.60: as long as a
    data worker has a block that the limit on waiting batches does not let it deliver), which costs a whole core. Where
    several trainings of one process have streams, all are taken to wait or not to wait together.

    `ray.data.DataContext` takes such classes, but their base class is not public: here are all of its methods.
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
    """Settings of Ray Data for one stream; those of others are left alone."""
    context = DataContext.get_current().copy()
    context.enable_progress_bars = False
    context.print_on_execution_start = False
    context.raise_original_map_exception = True  # the training worker tells faults of disks from others
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
