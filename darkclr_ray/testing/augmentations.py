"""Check of an augmentation against the interface of `darkclr_ray.augmentations.registry`: `check_augmentation`."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from darkclr_ray.augmentations.registry import Augmentation, TreeAugmentation, takes_tree
from darkclr_ray.jets.packed import Jets, Packed
from darkclr_ray.randomness import KeyedRNG
from darkclr_ray.settings import InputSettings, ViewSettings
from darkclr_ray.testing.toys import copied, toy_jets

VIEWS, INPUTS = ViewSettings(), InputSettings()


def check_augmentation(
    augmentation: type[Augmentation],
    jets: Jets | None = None,
    *,
    ordered: bool = True,
    views: ViewSettings = VIEWS,
    inputs: InputSettings = INPUTS,
) -> None:
    """Raise AssertionError unless an augmentation satisfies the interface of `darkclr_ray.augmentations.registry`.

    The check requires that:

    - the class has ``from_settings``, and ``draws_of_views`` states which views share random draws;
    - the result is packed arrays of the right types, with finite constituents of positive pT, at least one per jet;
    - the input arrays are neither changed nor returned;
    - all randomness comes from the draws;
    - the result of a jet depends neither on the other jets nor on their number, order or memory layout, bit for bit,
      also for a single jet of one constituent;
    - an augmentation that uses the jets' trees gives the same result with given trees and with its own.

    Args:
        augmentation: class of the augmentation.
        jets: jets to transform; None for 40 toy jets, one of which has a single constituent.
        ordered: whether constituents stay ordered by decreasing pT within a jet. The networks do not depend on the
            order, but an augmentation that changes it must be checked with False and say so in its docstring.
        views, inputs: settings from which the augmentation is made.
    """
    check_description(augmentation)
    made = augmentation.from_settings(views, inputs)
    assert callable(made), f"{augmentation.__name__}.from_settings gave {made!r}, which cannot be called"
    jets = some_jets() if jets is None else jets
    kept = copied(jets)
    result = applied(made, jets)
    check_packed(made, jets, result)
    for name, before in kept.items():
        assert np.array_equal(before, getattr(jets, name)), (
            f"{named(made)} changed the {name} that it was given; other views start from them: write into new arrays"
        )
    check_chance(made, jets, result)
    check_company(made, jets, result)
    if takes_tree(made):
        check_trees(made, jets, result)
    if ordered:
        check_order(made, result)


def some_jets() -> Jets:
    """Return 40 toy jets, one of which has a single constituent."""
    jets = toy_jets(39, seed=4)
    lone = toy_jets(1, seed=5).hardest(1)
    return Jets.concatenate([jets, replace(lone, ids=lone.ids + 1)])


def check_description(augmentation: type[Augmentation]) -> None:
    """Raise AssertionError unless the class has ``draws_of_views`` and ``from_settings``."""
    views: Any = getattr(augmentation, "draws_of_views", None)
    good = isinstance(views, tuple) and len(views) == 3 and all(draw in (0, 1, 2) for draw in views)
    assert good, (
        f"{augmentation.__name__} needs a class attribute draws_of_views: which draw the anchor, the positive and the "
        f"anomalous view use, such as (0, 1, 2) for one each; found {views!r}"
    )
    assert hasattr(augmentation, "from_settings"), (
        f"{augmentation.__name__} needs a classmethod from_settings(views, inputs): how a study's settings make it"
    )


def applied(made: Augmentation, jets: Jets, *, by_columns: bool = True) -> Packed:
    """Return the transformed jets; raise AssertionError if the input arrays are changed or returned."""
    draws = KeyedRNG.keyed(jets.ids, seed=1, epoch=0, transformation="check", draw=0)
    stored = np.asfortranarray(jets.constituents) if by_columns else np.ascontiguousarray(jets.constituents)
    before = stored.copy()
    constituents, offsets = made(stored, jets.offsets, draws)
    assert np.array_equal(stored, before), (
        f"{named(made)} changed the constituents that it was given; other views start from them: write into new arrays"
    )
    assert not np.shares_memory(constituents, stored), (
        f"{named(made)} handed on memory that it was given, where the next transformation would see it change: copy it"
    )
    return constituents, offsets


def check_packed(made: Augmentation, jets: Jets, result: Packed) -> None:
    """Raise AssertionError unless arrays have the right shapes and types, and each jet valid constituents."""
    constituents, offsets = result
    kind, shape = getattr(constituents, "dtype", None), np.shape(constituents)
    assert kind == np.float32 and len(shape) == 2 and shape[1] == 3, (  # noqa: PT018
        f"{named(made)} gave constituents of {kind} and shape {shape}; expected float32 (M, 3): pT, eta, phi"
    )
    assert getattr(offsets, "dtype", None) == np.int64 and np.shape(offsets) == (len(jets) + 1,), (  # noqa: PT018
        f"{named(made)} gave offsets of {getattr(offsets, 'dtype', None)} and shape {np.shape(offsets)}; expected "
        f"int64 ({len(jets) + 1},) for {len(jets)} jets"
    )
    assert offsets[0] == 0 and offsets[-1] == len(constituents), (  # noqa: PT018
        f"{named(made)} gave offsets from {offsets[0]} to {offsets[-1]} for {len(constituents)} constituents; they run "
        f"from 0 to their number"
    )
    empty = np.flatnonzero(np.diff(offsets) < 1)
    assert not len(empty), (
        f"{named(made)} left {len(empty)} of {len(jets)} jets without constituents, such as one that had "
        f"{jets.multiplicity[empty[0]]}; keep at least one, as dropping does"
    )
    bad = ~np.isfinite(constituents).all(1) | (constituents[:, 0] <= 0)
    assert not bad.any(), (
        f"{named(made)} gave {bad.sum()} constituents that are not finite or have no pT above zero, such as "
        f"{constituents[bad][0].tolist()}"
    )


def check_chance(made: Augmentation, jets: Jets, result: Packed) -> None:
    """Raise AssertionError unless the same draws give the same jets in both memory layouts."""
    for by_columns in (True, False):
        assert equal(result, applied(made, jets, by_columns=by_columns)), (
            f"{named(made)} gave other jets for the same draws"
            + ("" if by_columns else ", with constituents stored by rows")
            + "; all chance must come from draws.uniform and draws.normal, so that a training that is taken up again "
            "sees the same views"
        )


def check_company(made: Augmentation, jets: Jets, result: Packed) -> None:
    """Raise AssertionError if the result of a jet depends on the other jets of its batch."""
    order = np.random.default_rng(7).permutation(len(jets))
    for members, what in (
        (order, "in another order"),
        (order[: len(order) // 2], "in a smaller batch"),
        (np.array([int(jets.multiplicity.argmin())]), "alone"),
        (np.array([int(jets.multiplicity.argmax())]), "alone"),
    ):
        there = applied(made, jets.take(members))
        assert equal(part(result, members), there), (
            f"{named(made)} did something else to jets {what}; sum and sort within a jet (np.add.reduceat), never "
            f"over a batch, and draw for jets or constituents (draws.uniform(), draws.uniform(offsets))"
        )


def check_trees(made: TreeAugmentation, jets: Jets, result: Packed) -> None:
    """Raise AssertionError unless given trees lead to the same jets as the trees that the augmentation makes."""
    draws = KeyedRNG.keyed(jets.ids, seed=1, epoch=0, transformation="check", draw=0)
    given = made(np.asfortranarray(jets.constituents), jets.offsets, draws, jets.tree)
    assert equal(result, given), (
        f"{named(made)} gave other jets with the trees of the jets at hand than without; make them by cluster_tree of "
        f"the constituents that it is given"
    )


def check_order(made: Augmentation, result: Packed) -> None:
    """Raise AssertionError unless constituents are ordered by decreasing pT."""
    constituents, offsets = result
    falling = np.diff(constituents[:, 0]) <= 0
    falling[offsets[1:-1] - 1] = True
    assert falling.all(), (
        f"{named(made)} left constituents out of their order by pT; networks do not care, but say so in its docstring "
        f"and by check_augmentation(..., ordered=False)"
    )


def part(packed: Packed, members: Any) -> Packed:
    """Return some jets of packed arrays."""
    constituents, offsets = packed
    rows = [np.arange(offsets[member], offsets[member + 1]) for member in members]
    return constituents[np.concatenate(rows)], np.concatenate([[0], np.cumsum([len(row) for row in rows])])


def equal(packed: Packed, other: Packed) -> bool:
    """Return whether two sets of packed jets are identical."""
    return np.array_equal(packed[0], other[0]) and np.array_equal(packed[1], other[1])


def named(made: Augmentation) -> str:
    return type(made).__name__
