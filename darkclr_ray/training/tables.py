"""Base class of trainings on the rows of a table, such as images or observables of background jets."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from darkclr_ray.jets.batching import batch_slice
from darkclr_ray.randomness import keyed_generator
from darkclr_ray.settings import Settings
from darkclr_ray.training.base import Training, TrainingDiverged, to_tensor


class TableTraining(Training):
    """Train on rows of a table, which are permuted anew for each (seed, epoch); an incomplete last batch is dropped.

    Args:
        table: rows of background jets, float32 (B, D).
        settings: settings of the training, all of which are part of its key.
        seed: seed of the initial weights, the batches and all noise.
        batch_size: number of rows per step, over all workers.
        epochs: number of epochs.

    Raises:
        ValueError: fewer than two rows, or a value that is not finite.
        TrainingDiverged: all rows are the same.
    """

    def __init__(
        self, table: NDArray[np.float32], settings: Settings, *, seed: int, batch_size: int, epochs: int
    ) -> None:
        super().__init__()
        if len(table) < 2:
            raise ValueError(f"{self.kind}: needs two or more jets, not {len(table)}")
        if not np.isfinite(table).all():
            raise ValueError(f"{self.kind}: some inputs are nan or inf; all must be finite")
        if (table == table[0]).all():
            raise TrainingDiverged(f"{self.kind}: all {len(table)} inputs are the same, so that nothing can be learned")
        self.table, self.options, self.seed = table, settings, seed
        self.epochs = epochs
        self.batch_size = min(batch_size, len(table))
        self.steps_per_epoch = len(table) // self.batch_size

    def key(self) -> dict[str, Any]:
        content = hashlib.blake2b(np.ascontiguousarray(self.table).data, digest_size=16).hexdigest()
        options = self.options.model_dump(mode="json")
        return {"kind": self.kind, "settings": options, "seed": self.seed, "table": [*self.table.shape, content]}

    def stream(self, first_epoch: int, rank: int, world_size: int) -> Iterator[Tensor]:
        own = batch_slice(self.batch_size, rank, world_size)
        data = to_tensor(self.table, self.device)
        for epoch in range(first_epoch, self.epochs):
            order = keyed_generator(f"{self.kind} batches", self.seed, epoch).permutation(len(data))
            rows = torch.from_numpy(order).to(self.device)
            for start in range(0, self.steps_per_epoch * self.batch_size, self.batch_size):
                yield data.index_select(0, rows[start : start + self.batch_size][own])

    def size(self, batch: Tensor) -> int:
        return len(batch)

    def prepare(self, batch: Tensor) -> tuple[Any, ...]:
        return (batch,)

    def step_key(self, batch: Tensor) -> tuple[int | str, ...]:
        return self.kind, self.seed, self.epoch, self.step_number, self.rank


def spread_rows(available: int, wanted: int) -> NDArray[np.int64]:
    """Return at most ``wanted`` positions, evenly spread over ``available`` ones.

    >>> spread_rows(10, 4).tolist(), spread_rows(3, 4).tolist()
    ([0, 3, 6, 9], [0, 1, 2])
    """
    return np.linspace(0, available - 1, min(wanted, available)).round().astype(np.int64)
