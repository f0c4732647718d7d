"""Assign jets to batches, as a function of the number of jets, the batch size, the seed and the epoch only.

An epoch is shuffled in two steps, so that no process ever needs all jets. Runs of neighbouring jets are concatenated in
random order and split into pools of a fixed number of jets; then the jets of each pool are shuffled. A batch contains
jets of one pool, so that any process can make the batches of a pool independently. A set that fits into one pool is
shuffled as a whole. The result does not depend on how jets are split into files and row groups.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from darkclr_ray.jets.packed import ragged_arange
from darkclr_ray.randomness import keyed_generator

POOL = 2**17
"""Number of jets that are shuffled together (about 50 MB of unprocessed jets)."""

RUNS = 16
"""Number of runs of neighbouring jets in a pool of a larger set; a run is several row groups, read at once."""


@dataclass(frozen=True)
class BatchPlan:
    """Assignment of jets to batches for every epoch of a training.

    Attributes:
        jets: number of jets in the set.
        batch_size: number of jets per step, over all ranks.
        seed: seed of the order of the jets.
        pool: number of jets shuffled together, rounded down to whole batches, at least one batch.

    Raises:
        ValueError: there are fewer jets than in one batch.
    """

    jets: int
    batch_size: int
    seed: int
    pool: int = POOL

    def __post_init__(self) -> None:
        if self.jets < self.batch_size:
            raise ValueError(
                f"{self.jets} jets do not fill one batch of {self.batch_size}; "
                f"provide more jets, or lower the batch size to {self.jets} at most"
            )

    @property
    def steps_per_epoch(self) -> int:
        """Return the number of batches per epoch, which is the same in every epoch and on every rank."""
        return self.jets // self.batch_size

    @property
    def left_out(self) -> int:
        """Return the number of jets that an epoch omits because they do not fill a batch.

        Other jets are omitted in each epoch.
        """
        return self.jets % self.batch_size

    def pools(self, epoch: int) -> list[Pool]:
        """Return the pools of an epoch, in the order of their steps.

        >>> plan = BatchPlan(jets=13, batch_size=2, seed=1, pool=5)
        >>> [(pool.first_step, pool.steps) for pool in plan.pools(0)]
        [(0, 2), (2, 2), (4, 2)]
        """
        run = -(-self.pool // RUNS)
        starts = keyed_generator("runs", self.seed, epoch).permutation(-(-self.jets // run)) * run
        sizes = np.minimum(run, self.jets - starts)
        places = np.cumsum(sizes) - sizes  # of the runs, end to end
        size = max(1, self.pool // self.batch_size) * self.batch_size
        pools = []
        for first in range(0, self.jets - self.left_out, size):
            # the last pool has the jets that do not fill a batch, so that the omitted jets are random
            last = first + size if first + size < self.jets - self.left_out else self.jets
            left = np.maximum(places, first) - places
            right = np.minimum(places + sizes, last) - places
            inside = left < right
            pieces = np.stack([starts + left, starts + right], axis=1)[inside]
            pool = tuple((int(start), int(stop)) for start, stop in pieces[np.argsort(pieces[:, 0])])
            pools.append(Pool(pool, epoch, first // self.batch_size, self.batch_size, self.seed))
        return pools


@dataclass(frozen=True)
class Pool:
    """Jets that are shuffled together, and the batches made of them.

    Attributes:
        pieces: (first, last + 1) of the runs of jets in the set, in the order of the set.
        epoch: the epoch, counted from 0.
        first_step: number within the epoch of the first batch.
        batch_size: number of jets in a batch, over all ranks.
        seed: seed of the order of the jets.
    """

    pieces: tuple[tuple[int, int], ...]
    epoch: int
    first_step: int
    batch_size: int
    seed: int

    @property
    def steps(self) -> int:
        """Return the number of batches in the pool."""
        return sum(stop - start for start, stop in self.pieces) // self.batch_size

    def rows(self) -> NDArray[np.int64]:
        """Return the indices in the set of the pool's jets, in increasing order, (jets,)."""
        starts, stops = np.array(self.pieces, dtype=np.int64).T
        return ragged_arange(starts, stops - starts)[0]

    def batches(self) -> NDArray[np.int64]:
        """Return the indices in the set of the jets of every batch of the pool, (steps, batch_size)."""
        shuffled = keyed_generator("jets", self.seed, self.epoch, self.first_step).permutation(self.rows())
        return shuffled[: self.steps * self.batch_size].reshape(self.steps, self.batch_size)


def rank_slice(total: int, rank: int, world_size: int) -> slice:
    """Return a rank's part of ``total`` rows, which is contiguous; parts differ by at most one row.

    >>> [rank_slice(5, rank, 2) for rank in range(2)]
    [slice(0, 2, None), slice(2, 5, None)]
    """
    return slice(total * rank // world_size, total * (rank + 1) // world_size)


def batch_slice(batch_size: int, rank: int, world_size: int) -> slice:
    """Return a rank's part of each global batch, see `rank_slice`; raise ValueError for more ranks than jets."""
    if batch_size < world_size:
        raise ValueError(f"a batch of {batch_size} jets cannot be shared among {world_size} workers; use fewer workers")
    return rank_slice(batch_size, rank, world_size)
