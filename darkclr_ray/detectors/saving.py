"""Write and read the files of detectors: settings as YAML and arrays as safetensors. Reading them executes no code."""

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
"""Name of the file with a detector's settings. It has the format of a study's settings and is a valid ``--config``."""


def save_settings(folder: Path, settings: StudySettings, groups: Collection[str]) -> None:
    """Write the named groups of a study's settings, those that the detector depends on, to ``folder``."""
    folder.mkdir(parents=True, exist_ok=True)
    content = settings.model_dump(mode="json", include=set(groups))
    (folder / SETTINGS).write_text(yaml.safe_dump(content, sort_keys=False), encoding="utf-8")


def load_settings(folder: Path) -> StudySettings:
    """Return the settings that `save_settings` wrote, with defaults for all other groups.

    Raises ValueError if the file does not exist or is not valid.
    """
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
    """Write arrays by name as a safetensors file; the folder is created if necessary."""
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file({name: np.ascontiguousarray(array) for name, array in arrays.items()}, path)


def load_arrays(path: Path) -> dict[str, NDArray[Any]]:
    """Return the arrays that `save_arrays` wrote. Raises ValueError if the file does not exist or is damaged."""
    if not path.is_file():
        raise ValueError(f"{path}: no such file; a detector is loaded from the folder that its save(folder) wrote")
    path.open("rb").close()  # raises PermissionError, where safetensors would report a missing file
    try:
        return dict(load_file(path))
    except SafetensorError as error:
        raise ValueError(f"{path}: damaged ({error}); copy the model again") from None
