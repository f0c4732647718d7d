"""Make the views of jets as network inputs; a batch contains all views.

A jet is truncated and centred once, before any transformation (:mod:`darkclr_ray.jets.preprocessing`). No view is
centred again, since the position of its centroid is part of the transformation.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from darkclr_ray.augmentations import registry
from darkclr_ray.augmentations.registry import Augmentation, apply, takes_tree
from darkclr_ray.jets.batching import POOL, BatchPlan, batch_slice
from darkclr_ray.jets.cambridge_aachen import ClusterTree
from darkclr_ray.jets.packed import Jets, TrainingSample
from darkclr_ray.jets.preprocessing import centred, scaled
from darkclr_ray.malloc import keep_freed_memory
from darkclr_ray.randomness import KeyedRNG
from darkclr_ray.settings import InputSettings, ViewSettings

logger = logging.getLogger(__name__)

AT_ONCE = 2048
"""Approximate number of jets whose views are made at a time; the arrays of more jets exceed the cache."""


@dataclass(frozen=True, eq=False)
class ViewBatch:
    """All views of B jets as network inputs.

    Attributes:
        constituents: float32 (M, 3): pT (scaled as InputSettings say), eta, phi.
        offsets: int64 (views * B + 1,): the anchors of all jets first, then their positives, then the anomalous ones.
        ids: int64 (B,): ids of the jets.
        views: 3, or 2 without anomalous views.
        epoch: counted from 0.
        step: number of the batch in its epoch, counted from 0.
    """

    constituents: NDArray[np.float32]
    offsets: NDArray[np.int64]
    ids: NDArray[np.int64]
    views: int
    epoch: int
    step: int

    def __len__(self) -> int:
        return len(self.ids)


class ViewSource(Protocol):
    """Protocol of sources of a training's batches."""

    @property
    def steps_per_epoch(self) -> int:
        """Return the number of batches per epoch, which is the same in every epoch and on every rank."""

    def stream(self, first_epoch: int, last_epoch: int, rank: int = 0, world_size: int = 1) -> Iterator[ViewBatch]:
        """Yield a rank's slice of every batch of the epochs first_epoch, ..., last_epoch - 1, in order.

        Raises ValueError if there are more ranks than jets in a batch.
        """


@dataclass(frozen=True)
class MemoryViews:
    """Source of batches that are made on request from jets in memory.

    Attributes:
        sample: background jets.
        views: settings of the views.
        inputs: settings of the network's inputs.
        batch_size: number of jets per step, over all ranks.
        seed: seed of the order and the views.
        pool: number of jets that are shuffled together; see :mod:`darkclr_ray.jets.batching`.

    Raises:
        ValueError: a transformation is unknown, or there are fewer jets than in a batch.
    """

    sample: TrainingSample
    views: ViewSettings
    inputs: InputSettings
    batch_size: int
    seed: int
    pool: int = POOL

    def __post_init__(self) -> None:
        check(self.views, self.inputs)
        assert self.plan.steps_per_epoch

    @cached_property
    def plan(self) -> BatchPlan:
        """Return the assignment of jets to batches."""
        return BatchPlan(len(self.sample), self.batch_size, self.seed, self.pool)

    @property
    def steps_per_epoch(self) -> int:
        return self.plan.steps_per_epoch

    def stream(self, first_epoch: int, last_epoch: int, rank: int = 0, world_size: int = 1) -> Iterator[ViewBatch]:
        part = batch_slice(self.batch_size, rank, world_size)
        log_left_out(self.plan)
        if need_trees(self.views, self.inputs):
            self.sample.jets.tree  # noqa: B018  # made here, once, and kept with the jets
        for epoch in range(first_epoch, last_epoch):
            for pool in self.plan.pools(epoch):
                batches, first = pool.batches()[:, part], pool.first_step
                yield from views_of_batches(
                    self.sample.jets, batches, self.views, self.inputs, seed=self.seed, epoch=epoch, first_step=first
                )


def log_left_out(plan: BatchPlan) -> None:
    """Log, once per stream, how many jets an epoch uses and leaves out."""
    logger.info(
        "%d jets in batches of %d: %d steps an epoch; each epoch leaves out %d jets",
        plan.jets,
        plan.batch_size,
        plan.steps_per_epoch,
        plan.left_out,
    )


def make_views(
    jets: Jets,
    views: ViewSettings,
    inputs: InputSettings,
    *,
    seed: int,
    epoch: int,
    step: int = 0,
    tree: ClusterTree | None = None,
) -> ViewBatch:
    """Return the views of a batch; those of a jet depend only on the jet, the settings, ``seed`` and ``epoch``.

    ``tree`` holds the trees of the jets' hardest constituents; by default they are computed if a view needs them.
    Raises ValueError for an unknown transformation.

    >>> from darkclr_ray.settings import InputSettings, ViewSettings
    >>> jets = Jets.from_lists([[[9.0, 0.1, 0.0], [1.0, -0.1, 0.2]], [[5.0, 0.0, 0.0]]])
    >>> batch = make_views(jets, ViewSettings(), InputSettings(), seed=1, epoch=0)
    >>> batch.views, len(batch), batch.offsets[:5].tolist()
    (3, 2, [0, 2, 3, 5, 6])
    """
    untouched = centred(jets, inputs)
    if tree is None and need_trees(views, inputs):
        tree = jets.hardest_trees(inputs.constituents)
    parts = []
    for steps in _recipe(views, inputs):
        packed = untouched
        for place, (name, augmentation, draw) in enumerate(steps):
            draws = KeyedRNG.keyed(jets.ids, seed=seed, epoch=epoch, transformation=name, draw=draw)
            packed = apply(augmentation, packed, draws, tree if place == 0 else None)
        parts.append(packed)
    constituents, offsets = scaled(parts, jets, inputs)
    return ViewBatch(constituents, offsets, jets.ids, len(parts), epoch, step)


def views_of_batches(
    jets: Jets,
    batches: NDArray[np.int64],
    views: ViewSettings,
    inputs: InputSettings,
    *,
    seed: int,
    epoch: int,
    first_step: int,
) -> Iterator[ViewBatch]:
    """Yield the views of batches, given by positions of jets (steps, jets per batch), as `make_views` returns them.

    Small batches are made several at a time: for few jets, numpy's calls take longer than their computation.
    """
    keep_freed_memory()
    steps, size = batches.shape
    together = max(1, AT_ONCE // size)
    for start in range(0, steps, together):
        places = batches[start : start + together]
        some = jets.take(places.ravel(), hardest=inputs.constituents)
        tree = jets.trees_of(places.ravel(), hardest=inputs.constituents) if need_trees(views, inputs) else None
        made = make_views(some, views, inputs, seed=seed, epoch=epoch, step=first_step + start, tree=tree)
        if len(places) == 1:
            yield made
            continue
        for batch in range(len(places)):
            yield _part(made, slice(batch * size, (batch + 1) * size), first_step + start + batch)


def _part(made: ViewBatch, jets: slice, step: int) -> ViewBatch:
    """Return a copy of the batch for some of the jets of a larger batch."""
    offsets = [made.offsets[view * len(made) :][jets.start : jets.stop + 1] for view in range(made.views)]
    constituents = np.concatenate([made.constituents[part[0] : part[-1]] for part in offsets])
    sizes = np.concatenate([np.diff(part) for part in offsets])
    ends = np.concatenate([[0], np.cumsum(sizes)])
    return ViewBatch(constituents, ends, made.ids[jets], made.views, made.epoch, step)


def check(views: ViewSettings, inputs: InputSettings) -> None:
    """Raise ValueError if the views name an unknown transformation."""
    _recipe(views, inputs)


def need_trees(views: ViewSettings, inputs: InputSettings) -> bool:
    """Return whether a view begins with a transformation that uses the Cambridge/Aachen trees of the jets.

    If so, callers that make views for many epochs should call ``Jets.tree`` once beforehand.
    """
    return any(takes_tree(steps[0][1]) for steps in _recipe(views, inputs) if steps)


@lru_cache(maxsize=64)
def _recipe(views: ViewSettings, inputs: InputSettings) -> tuple[tuple[tuple[str, Augmentation, int], ...], ...]:
    """Return for each view its transformations in order, as (name, transformation, number of its draw)."""
    chosen = [views.anchor, views.positive, *([views.anomalous] if views.anomalous else [])]
    recipe = []
    for view, names in enumerate(chosen):
        steps = []
        for place, name in enumerate(names):
            transformation = registry.find(name)
            # a transformation that occurs twice in a view uses a new draw
            draw = transformation.draws_of_views[view] + 3 * names[:place].count(name)
            steps.append((name, transformation.from_settings(views, inputs), draw))
        recipe.append(tuple(steps))
    return tuple(recipe)
