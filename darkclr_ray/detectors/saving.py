"""What detectors leave on disk: settings as YAML, numbers as safetensors. Reading them runs no code."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from numpy.typing import NDArray
from pydantic import ValidationError
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from darkclr_ray.jets.generation.samples import format_validation_error
from darkclr_ray.settings import StudySettings

SETTINGS = "settings.yaml"
"""The same file as a study's: it is a valid ``--config``."""


def save_settings(folder: Path, settings: StudySettings, groups: Collection[str]) -> None:
    """Write those groups of a study's settings that a detector depends on."""
    folder.mkdir(parents=True, exist_ok=True)
    content = settings.model_dump(mode="json", include=set(groups))
    (folder / SETTINGS).write_text(yaml.safe_dump(content, sort_keys=False), encoding="utf-8")


def load_settings(folder: Path) -> StudySettings:
    """What `save_settings` wrote, the other groups at their defaults. Raises ValueError where there is nothing."""
    path = folder / SETTINGS
    if not path.is_file():
        raise ValueError(f"{path}: no such file; a detector is loaded from the folder that its save(folder) wrote")
    try:
        return StudySettings.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))
    except (yaml.YAMLError, ValueError) as error:
        what = format_validation_error(error) if isinstance(error, ValidationError) else str(error)
        raise ValueError(
            f"{path}: these settings cannot be read ({' '.join(what.split())}); copy the model again, or use the "
            f"version that wrote it"
        ) from None


def save_arrays(path: Path, arrays: Mapping[str, NDArray[Any]]) -> None:
    """Write arrays by name."""
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file({name: np.ascontiguousarray(array) for name, array in arrays.items()}, path)


def load_arrays(path: Path) -> dict[str, NDArray[Any]]:
    """What `save_arrays` wrote. Raises ValueError where there is no such file, or a damaged one."""
    if not path.is_file():
        raise ValueError(f"{path}: no such file; a detector is loaded from the folder that its save(folder) wrote")
    path.open("rb").close()  # where that is not permitted, safetensors would say that there is no such file
    try:
        return dict(load_file(path))
    except SafetensorError as error:
        raise ValueError(f"{path}: damaged ({error}); copy the model again") from None
