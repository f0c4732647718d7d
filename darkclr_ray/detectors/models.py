"""Trained models: one folder each, with all that scoring needs and all that is known of it, and no code.

    <model>/
        model.json          which detectors these are, the jets they were fitted on, versions
        settings.yaml       what they are made of; a valid --config of a study
        *.safetensors       weights
        metrics.json        what they reach on validation and test jets, where that was looked at

`best/` of a study is such a folder. To score jets takes torch, not Ray:

    from darkclr_ray.detectors.models import load_model

    detector = load_model("results/embedding_scan/best", "s_NAE")
    scores = detector.score(jets)
"""

from __future__ import annotations

import importlib.resources
import json
import platform
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import yaml

from darkclr_ray.detectors import registry
from darkclr_ray.detectors.base import Detector
from darkclr_ray.detectors.saving import SETTINGS
from darkclr_ray.store.files import write_json
from darkclr_ray.training.runner import Runner

MODEL, METRICS = "model.json", "metrics.json"
FORMAT = 1
PRETRAINED = "pretrained"


def pretrained() -> Path:
    """Folder of the model that ships with the package, trained by ``python studies/train_model.py`` on the starter set.

    >>> sorted(describe(pretrained())["detectors"])
    ['s_CLR', 's_NAE']
    """
    return Path(str(importlib.resources.files("darkclr_ray") / PRETRAINED))


def save_model(
    folder: str | Path,
    detectors: Sequence[Detector[Any]],
    *,
    jets: Mapping[str, Any],
    metrics: Mapping[str, Any] | None = None,
) -> None:
    """Write fitted detectors into one folder, whole or not at all; what was there is replaced if it was a model.

    Args:
        folder: of the model.
        detectors: fitted; several must agree on every file that they share, as those of one encoder do.
        jets: what they were fitted on: {"train/qcd": fingerprint}, see `darkclr_ray.jets.folder.JetFolder.fingerprint`.
        metrics: what they reach.

    Raises:
        ValueError: two detectors disagree on a file, or ``folder`` is there and holds something else.
    """
    folder = Path(folder)
    if folder.exists() and not (folder / MODEL).exists() and any(folder.iterdir()):
        raise ValueError(f"{folder}: is there already, and is no model; choose another folder, or remove it")
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{folder.name}.", dir=folder.parent) as place:
        whole = Path(place) / "model"
        whole.mkdir()
        for number, detector in enumerate(detectors):
            part = Path(place) / str(number)
            part.mkdir()
            detector.save(part)
            for path in part.iterdir():
                _merge(path, whole / path.name, detector)
        write_description(whole, [entry_of(detector) for detector in detectors], jets)
        if metrics is not None:
            write_json(whole / METRICS, metrics)
        if folder.exists():
            shutil.rmtree(folder)
        whole.rename(folder)


def _merge(path: Path, target: Path, detector: Detector[Any]) -> None:
    """Move a detector's file to where others may have put theirs."""
    if target.exists() and target.name == SETTINGS:
        known, more = (yaml.safe_load(file.read_text(encoding="utf-8")) for file in (target, path))
        if all(known[group] == more[group] for group in known.keys() & more.keys()):
            path.write_text(yaml.safe_dump({**known, **more}, sort_keys=False), encoding="utf-8")
            path.replace(target)
            return
    if target.exists() and target.read_bytes() != path.read_bytes():
        raise ValueError(
            f"{detector.name} and another detector of the model disagree on {path.name}; give each a folder of its own"
        )
    path.chmod(0o644)  # safetensors keeps its files from other users
    path.replace(target)


def write_description(folder: Path, detectors: Sequence[str], jets: Mapping[str, Any]) -> None:
    """Write the file that makes a folder of weights and settings a model."""
    versions = {name: version(name) for name in ("darkclr_ray", "torch", "numpy")} | {
        "python": platform.python_version()
    }
    content = {"format": FORMAT, "detectors": list(detectors), "jets": dict(jets), "versions": versions}
    write_json(folder / MODEL, content)


def describe(folder: str | Path) -> dict[str, Any]:
    """What model.json says. Raises ValueError where ``folder`` is no model, or one of another version."""
    path = located(folder) / MODEL
    if not path.is_file():
        raise ValueError(f"{folder}: no model, it has no {MODEL}; a study leaves one in best/, `darkclr train` another")
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        fine = content["format"] == FORMAT and isinstance(content["detectors"], list)
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{path}: damaged ({error}); copy the model again, or train it again") from None
    if not fine:
        raise ValueError(f"{path}: a model of format {content['format']}; this version reads format {FORMAT}")
    return dict(content)


def load_model(folder: str | Path, name: str | None = None, runner: Runner | None = None) -> Detector[Any]:
    """A detector of a model, ready to score.

    Args:
        folder: of the model; "pretrained" is the one that ships with the package.
        name: which of its detectors; none: the first. One's own is named by module:name, since a model runs no code
            that was not asked for.
        runner: where it scores; none: in this process, on a GPU where there is one.

    Raises:
        ValueError: no model, no such detector in it, or damaged weights.
    """
    there = describe(folder)["detectors"]
    chosen = trusted(folder)[0] if name is None else name
    if chosen not in there:
        raise ValueError(f"{folder}: has no detector {chosen!r}; it has {', '.join(there)}")
    return registry.find(chosen).load(located(folder), runner)


def trusted(folder: str | Path) -> list[str]:
    """A model's detectors but for those that are other people's code. Raises ValueError where there are no others."""
    there = describe(folder)["detectors"]
    known = [name for name in there if ":" not in name]
    if not known:
        raise ValueError(f"{folder}: holds {', '.join(there)}, which is not part of this package; ask for it by name")
    return known


def located(folder: str | Path) -> Path:
    """A model's folder by its path, or by the name of the one that ships."""
    return pretrained() if str(folder) == PRETRAINED and not Path(folder).exists() else Path(folder)


def entry_of(detector: Detector[Any]) -> str:
    """The name by which `darkclr_ray.detectors.registry` finds a detector's class.

    >>> from darkclr_ray.detectors.multiplicity import Multiplicity
    >>> entry_of(Multiplicity())
    'multiplicity'
    """
    cls = type(detector)
    if cls.name in registry.names() and registry.find(cls.name) is cls:
        return cls.name
    return f"{cls.__module__}:{cls.__qualname__}"
