"""Try a user's own augmentations on a few jets before anything is trained."""

from __future__ import annotations

import inspect
import traceback
from collections.abc import Iterable
from typing import Any

from darkclr_ray.augmentations import registry
from darkclr_ray.plugins import words
from darkclr_ray.settings import InputSettings, ViewSettings
from darkclr_ray.testing.augmentations import applied, check_description, check_packed, some_jets


def try_augmentations(views: ViewSettings, inputs: InputSettings) -> None:
    """Apply each augmentation of these views that is not of this package to 40 toy jets.

    Raises:
        ValueError: one raises an exception, or returns arrays of wrong types or shapes, numbers that are not finite, or
            jets without constituents. The message has its name, file and line.
    """
    for name in dict.fromkeys([*views.anchor, *views.positive, *views.anomalous, *registry.families(views)]):
        augmentation = registry.find(name)
        if augmentation.__module__.partition(".")[0] == __name__.partition(".")[0]:
            continue
        try:
            check_description(augmentation)
            jets, made = some_jets(), augmentation.from_settings(views, inputs)
            check_packed(made, jets, applied(made, jets))
        except Exception as error:
            message = str(error) if isinstance(error, AssertionError) else words(error)
            raise ValueError(f"augmentation {name!r} ({place(augmentation, error)}): {message}") from error


def place(plugin: Any, error: Exception) -> str:
    """Return file and line of an error in the file of a plugin, or of its definition if it was raised elsewhere."""
    file = inspect.getsourcefile(plugin) or "unknown file"
    frames: Iterable[traceback.FrameSummary] = traceback.extract_tb(error.__traceback__)
    lines = [frame.lineno for frame in frames if frame.filename == file]
    return f"{file}:{lines[-1] if lines else inspect.getsourcelines(plugin)[1]}"
