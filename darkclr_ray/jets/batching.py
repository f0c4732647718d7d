"""Which jets make which batch: a function of how many jets there are, the batch size, the seed and the epoch alone.

An epoch shuffles in two steps, so that no process ever needs all jets. Runs of neighbouring jets are put in random
order, end to end, and cut into pools of a fixed number of jets; then the jets of a pool are shuffled. Batches are cut
from one pool, so each pool is a piece of work that any process can do alone. A set that fits into one pool is
shuffled as a whole. How jets are cut into files and row groups does not matter.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from darkclr_ray.jets.packed import ragged_arange
from darkclr_ray.randomness import keyed_generator

POOL = 2**17
"""Jets that are shuffled together: about 50 MB of raw jets."""

RUNS = 16
"""Runs of neighbouring jets that make a pool of a larger set: each some row groups, read in one go."""


@dataclass(frozen=True)
class BatchPlan:
    """The batches of every epoch of a training.

    Attributes:
        jets: jets in the set.
        batch_size: jets a step, over all ranks.
        seed: of the order of the jets.
        pool: jets shuffled together, rounded down to whole batches, at least one.

    Raises:
        ValueError: there are fewer jets than one batch takes.
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
        """Batches an epoch, the same in every epoch and on every rank."""
        return self.jets // self.batch_size

    @property
    def left_out(self) -> int:
        """Jets that an epoch leaves out because they do not fill a batch; each epoch leaves out others."""
        return self.jets % self.batch_size

    def pools(self, epoch: int) -> list[Pool]:
        """The pools of an epoch, in the order of their steps.

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
            # the last pool takes what does not fill a batch, so that chance decides which jets are left out
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
        pieces: (first, last + 1) of runs of jets in the set, in the order of the set.
        epoch: the epoch, counted from 0.
        first_step: number within the epoch of the first batch.
        batch_size: jets of a batch, over all ranks.
        seed: of the order of the jets.
    """

    pieces: tuple[tuple[int, int], ...]
    epoch: int
    first_step: int
    batch_size: int
    seed: int

    @property
    def steps(self) -> int:
        """Batches made of the pool."""
        return sum(stop - start for start, stop in self.pieces) // self.batch_size

    def rows(self) -> NDArray[np.int64]:
        """The jets of the pool as numbers in the set, rising, (jets,)."""
        starts, stops = np.array(self.pieces, dtype=np.int64).T
        return ragged_arange(starts, stops - starts)[0]

    def batches(self) -> NDArray[np.int64]:
        """The jets of every batch of the pool as numbers in the set, (steps, batch_size)."""
        shuffled = keyed_generator("jets", self.seed, self.epoch, self.first_step).permutation(self.rows())
        return shuffled[: self.steps * self.batch_size].reshape(self.steps, self.batch_size)


def rank_slice(batch_size: int, rank: int, world_size: int) -> slice:
    """The part of each global batch that a rank takes: contiguous; parts differ by at most one jet.

    Raises ValueError where there are more ranks than jets in a batch.

    >>> [rank_slice(5, rank, 2) for rank in range(2)]
    [slice(0, 2, None), slice(2, 5, None)]
    """
    if batch_size < world_size:
        raise ValueError(f"a batch of {batch_size} jets cannot be shared among {world_size} workers; use fewer workers")
    return slice(batch_size * rank // world_size, batch_size * (rank + 1) // world_size)
