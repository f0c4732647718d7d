"""What detectors leave on disk: settings as JSON, numbers as safetensors. Reading them runs no code."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load_file, save_file

from darkclr_ray.settings import StudySettings

SETTINGS = "settings.json"


def save_settings(folder: Path, settings: StudySettings, groups: Collection[str]) -> None:
    """Write those groups of a study's settings that a detector depends on."""
    folder.mkdir(parents=True, exist_ok=True)
    content = settings.model_dump(mode="json", include=set(groups))
    (folder / SETTINGS).write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


def load_settings(folder: Path) -> StudySettings:
    """What `save_settings` wrote, the other groups at their defaults. Raises ValueError where there is nothing."""
    path = folder / SETTINGS
    if not path.is_file():
        raise ValueError(f"{path}: no such file; a detector is loaded from the folder that its save(folder) wrote")
    return StudySettings.model_validate(json.loads(path.read_text(encoding="utf-8")))


def save_arrays(path: Path, arrays: Mapping[str, NDArray[Any]]) -> None:
    """Write arrays by name."""
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file({name: np.ascontiguousarray(array) for name, array in arrays.items()}, path)


def load_arrays(path: Path) -> dict[str, NDArray[Any]]:
    """What `save_arrays` wrote. Raises ValueError where there is no such file."""
    if not path.is_file():
        raise ValueError(f"{path}: no such file; a detector is loaded from the folder that its save(folder) wrote")
    return dict(load_file(path))
