"""Transformations by name: all files are found, a new class is used as it is, a misspelt name is answered."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pytest

from darkclr_ray.augmentations import registry
from darkclr_ray.augmentations.views import make_views
from darkclr_ray.jets.packed import Jets
from darkclr_ray.settings import InputSettings, ViewSettings


def test_misspelt_name():
    with pytest.raises(ValueError, match="unknown augmentation 'rotatoin'; did you mean 'rotation'"):
        registry.find("rotatoin")


def test_a_registered_class_can_be_named_in_settings(toy_jets: Callable[..., Jets], monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(registry, "_REGISTERED", dict(registry._REGISTERED))

    @registry.register("mirror")
    @dataclass(frozen=True)
    class Mirror:
        draws_of_views: ClassVar[tuple[int, int, int]] = (0, 1, 2)

        @classmethod
        def from_settings(cls, views, inputs):
            return cls()

        def __call__(self, constituents, offsets, draws):
            return constituents * np.array([1, -1, 1], dtype=np.float32), offsets

    jets = toy_jets(10)
    views = ViewSettings(anchor=(), positive=("mirror",), anomalous=())
    batch = make_views(jets, views, InputSettings(constituents=60), seed=1, epoch=0)
    anchor, positive = np.split(batch.constituents, 2)
    np.testing.assert_array_equal(positive, anchor * [1, -1, 1])
