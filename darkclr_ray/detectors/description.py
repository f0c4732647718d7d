"""Read a model's description and verify the files in its folder, without importing torch."""

from __future__ import annotations

import importlib.resources
import json
import logging
import os
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from darkclr_ray.detectors.saving import SETTINGS, load_arrays, load_settings
from darkclr_ray.integrity import Damaged, check_folder
from darkclr_ray.store.files import read_json

logger = logging.getLogger(__name__)

MODEL, METRICS = "model.json", "metrics.json"
FORMAT = 2
WITHOUT_CHECKSUMS = 1
"""Format number of models written before version 0.2. Such models are read, with a warning."""
PRETRAINED = "pretrained"
REMEDY = "copy the model again, or train it again"
MAKES_ONE = "a study leaves one in best/, `darkclr train` another"


def pretrained() -> Path:
    """Return the folder of the model in the package, trained by ``python studies/train_model.py`` on the starter set.

    >>> sorted(describe(pretrained())["detectors"])
    ['s_CLR', 's_NAE', 'views_observables']
    """
    return Path(str(importlib.resources.files("darkclr_ray") / PRETRAINED))


def located(folder: str | Path) -> Path:
    """Return a model's folder, given as a path or as the name of the model in the package."""
    return pretrained() if str(folder) == PRETRAINED and not Path(folder).exists() else Path(folder)


def describe(folder: str | Path) -> dict[str, Any]:
    """Return the content of model.json.

    Raises ValueError if ``folder`` is not a model, if its format is not supported, or if one of its files was changed.
    """
    place = located(folder)
    if not place.is_dir():
        what = "a file; a model is a folder" if place.exists() else "no such folder"
        raise ValueError(f"{folder}: {what}; {MAKES_ONE}")
    path = place / MODEL
    if not path.is_file():
        raise ValueError(f"{folder}: no model, it has no {MODEL}; {MAKES_ONE}")
    try:
        content = dict(json.loads(path.read_text(encoding="utf-8")))
        found = content["format"]
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{path}: damaged ({error}); {REMEDY}") from None
    if found == FORMAT:
        content = read_json(path, REMEDY)
        check_digests(place, content.get("files"))
    elif found == WITHOUT_CHECKSUMS:
        warn_of_missing_checksums(place)
    else:
        raise ValueError(
            f"{path}: a model of format {found}; this version reads format {FORMAT}; use the version that wrote it, or "
            f"train the model again"
        )
    names = content.get("detectors")
    mappings = all(isinstance(content.get(key), dict) for key in ("jets", "versions"))
    if not (isinstance(names, list) and names and all(isinstance(name, str) for name in names) and mappings):
        raise ValueError(f"{path}: damaged, it does not say which detectors these are; copy the model again")
    return content


def check_digests(folder: Path, digests: Any) -> None:
    """Raise ValueError, with a remedy, if a file of the model is missing or does not have the expected checksum."""
    try:
        check_folder(folder, dict(digests))
    except (Damaged, TypeError, ValueError) as error:
        raise ValueError(f"{error}; {REMEDY}") from None


@cache
def warn_of_missing_checksums(folder: Path) -> None:
    """Log, once for each model, that the model was written before models had checksums."""
    logger.warning("%s: a model without checksums, from a version before 0.2: damage to it is not noticed", folder)


def trusted(folder: str | Path) -> list[str]:
    """Return the names of a model's detectors that are part of this package. Raises ValueError if there is none."""
    there = describe(folder)["detectors"]
    known = [name for name in there if ":" not in name]
    if not known:
        raise ValueError(f"{folder}: holds {', '.join(there)}, which is not part of this package; ask for it by name")
    return known


def chosen(folder: str | Path, names: Sequence[str] = ()) -> list[str]:
    """Return the requested detectors of a model, or all that are `trusted` if none is named.

    Raises ValueError if a requested detector is not in the model, or if a file of the model is damaged.
    """
    there = describe(folder)["detectors"]
    for name in names:
        if name not in there:
            raise ValueError(f"{folder}: has no detector {name!r}; it has {', '.join(there)}")
    found = list(names) or trusted(folder)
    check_files(located(folder))
    return found


def check_files(folder: Path) -> None:
    """Raise ValueError if a model's settings cannot be read, or if its weights are truncated, pickled or not finite."""
    weights = sorted(folder.glob("*.safetensors"))
    if weights or (folder / SETTINGS).exists():
        load_settings(folder)
    for path in weights:
        for name, array in load_arrays(path).items():
            if not np.all(np.isfinite(array)):
                raise ValueError(f"{path}: {name} is not finite; copy the model again, or train it again")


def check_replaceable(folder: Path) -> None:
    """Raise ValueError if the folder to which a model will be written is not a model itself, or cannot be replaced."""
    if os.path.ismount(folder):
        raise ValueError(f"{folder}: a disk is mounted there, which a model cannot replace; name a folder in it")
    if folder.exists() and not (folder / MODEL).exists() and any(folder.iterdir()):
        raise ValueError(f"{folder}: is there already, and is no model; choose another folder, or remove it")
