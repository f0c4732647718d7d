"""The conformance suite for augmentations: ours pass, and each broken promise is told apart."""

from __future__ import annotations

import numpy as np
import pytest

from darkclr_ray.augmentations import registry
from darkclr_ray.augmentations.splitting import Splitting
from darkclr_ray.settings import ViewSettings
from darkclr_ray.testing import check_augmentation

UNORDERED = {"splitting"}


@pytest.mark.parametrize("name", registry.names())
@pytest.mark.parametrize(
    "views",
    [
        ViewSettings(),
        ViewSettings(p_drop=(0.2, 0.9), conserved_pt="scalar"),
        ViewSettings(p_drop=(0.2, 0.9), conserved_pt="floor"),
    ],
)
def test_promises_are_kept(name: str, views: ViewSettings) -> None:
    check_augmentation(registry.find(name), ordered=name not in UNORDERED, views=views)


class Same:
    draws_of_views = (0, 1, 2)

    @classmethod
    def from_settings(cls, views, inputs):
        return cls()

    def __call__(self, constituents, offsets, draws):
        return constituents.copy(order="F"), offsets.copy()


class Undrawn(Same):
    draws_of_views = None


class Unmade:
    draws_of_views = (0, 1, 2)


class Passes(Same):
    def __call__(self, constituents, offsets, draws):
        return constituents, offsets


class Changes(Same):
    def __call__(self, constituents, offsets, draws):
        constituents[:, 0] *= 2
        return constituents.copy(), offsets


class Double(Same):
    def __call__(self, constituents, offsets, draws):
        return constituents.astype(np.float64), offsets


class Flat(Same):
    def __call__(self, constituents, offsets, draws):
        return constituents.copy(), offsets[:-1]


class Short(Same):
    def __call__(self, constituents, offsets, draws):
        return constituents[:-1].copy(), offsets


class Empties(Same):
    def __call__(self, constituents, offsets, draws):
        kept = draws.uniform(offsets) > 0.9
        sizes = np.add.reduceat(kept, offsets[:-1], dtype=np.int64)
        return constituents[kept].copy(), np.concatenate([[0], np.cumsum(sizes)])


class Softens(Same):
    def __call__(self, constituents, offsets, draws):
        softer = constituents.copy()
        softer[:, 0] -= np.float32(1.0)
        return softer, offsets


class Chance(Same):
    def __call__(self, constituents, offsets, draws):
        moved = constituents.copy()
        moved[:, 1] += np.float32(np.random.default_rng().normal())
        return moved, offsets


class Batch(Same):
    def __call__(self, constituents, offsets, draws):
        moved = constituents.copy()
        moved[:, 1] -= moved[:, 1].mean()
        return moved, offsets


class Turns(Same):
    def __call__(self, constituents, offsets, draws):
        moved = constituents.copy()
        moved[:, 0] *= (1 + draws.uniform(offsets)).astype(np.float32)
        return moved, offsets


@pytest.mark.parametrize(
    ("broken", "words"),
    [
        (Undrawn, "needs a class attribute draws_of_views"),
        (Unmade, "needs a classmethod from_settings"),
        (Passes, "handed on memory"),
        (Changes, "changed the constituents"),
        (Double, r"constituents of float64 .* expected float32 \(M, 3\)"),
        (Flat, r"expected int64 \(41,\) for 40 jets"),
        (Short, "they run from 0 to their number"),
        (Empties, "without constituents, such as one that had"),
        (Softens, "no pT above zero"),
        (Chance, "gave other jets for the same draws"),
        (Batch, "did something else to jets in another order"),
        (Turns, "out of their order by pT"),
    ],
)
def test_a_broken_promise_is_told(broken, words: str) -> None:
    with pytest.raises(AssertionError, match=words):
        check_augmentation(broken)


def test_what_does_not_keep_the_order_says_so() -> None:
    check_augmentation(Turns, ordered=False)
    with pytest.raises(AssertionError, match="ordered=False"):
        check_augmentation(Splitting)
