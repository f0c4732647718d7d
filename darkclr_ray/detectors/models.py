"""Write and read trained models, each a folder with weights, settings and a description, but no code.

    <model>/
        model.json          names of the detectors, the jets they were fitted on, versions, checksums
        settings.yaml       settings of the detectors; a valid --config of a study
        *.safetensors       weights
        metrics.json        metrics on validation and test jets, if they were computed

`best/` of a study is such a folder. Scoring jets requires torch, but not Ray:

    from darkclr_ray.detectors.models import load_model

    detector = load_model("results/embedding_scan/best", "s_NAE")
    scores = detector.score(jets)
"""

from __future__ import annotations

import platform
import tempfile
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import yaml

from darkclr_ray.detectors import registry
from darkclr_ray.detectors.base import AnomalyDetector
from darkclr_ray.detectors.description import (
    FORMAT,
    METRICS,
    MODEL,
    check_replaceable,
    describe,
    located,
    pretrained,
    trusted,
)
from darkclr_ray.detectors.saving import SETTINGS, save_settings
from darkclr_ray.integrity import folder_digests
from darkclr_ray.settings import StudySettings
from darkclr_ray.store.files import replace_folder, write_json
from darkclr_ray.training.trainer import Trainer

__all__ = ["describe", "entry_of", "load_model", "pretrained", "save_model", "trusted", "write_description"]


def save_model(
    folder: str | Path,
    detectors: Sequence[AnomalyDetector[Any]],
    *,
    jets: Mapping[str, Any],
    metrics: Mapping[str, Any] | None = None,
) -> None:
    """Write fitted detectors into one folder, atomically; an existing model in that folder is replaced.

    Args:
        folder: folder of the model.
        detectors: fitted detectors; files that several of them write must be equal, as those of a shared encoder are.
        jets: jets they were fitted on: {"train/qcd": fingerprint}, see `darkclr_ray.jets.folder.JetFolder.fingerprint`.
        metrics: metrics of the detectors on validation and test jets.

    Raises:
        ValueError: two detectors write different content to a file, or ``folder`` exists and is not a model.
    """
    folder = Path(folder).resolve()  # where the folder is a link, its target is replaced
    check_replaceable(folder)
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
        if any(whole.glob("*.safetensors")) and not (whole / SETTINGS).exists():
            # The weights depend on no setting, but readers treat a missing settings file as damage.
            save_settings(whole, StudySettings(), groups=())
        if metrics is not None:
            write_json(whole / METRICS, metrics)
        write_description(whole, [entry_of(detector) for detector in detectors], jets)
        replace_folder(whole, folder)


def _merge(path: Path, target: Path, detector: AnomalyDetector[Any]) -> None:
    """Move a file of a detector to ``target``, which may hold the same file of another detector."""
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
    path.chmod(0o644)  # safetensors writes files that only their owner may read
    path.replace(target)


def write_description(folder: Path, detectors: Sequence[str], jets: Mapping[str, Any]) -> None:
    """Write model.json, with the checksums of all files in ``folder``, which makes the folder a model."""
    versions = {name: version(name) for name in ("darkclr_ray", "torch", "numpy")} | {
        "python": platform.python_version()
    }
    files = folder_digests(folder, but={MODEL})
    content = {"format": FORMAT, "detectors": list(detectors), "jets": dict(jets), "versions": versions, "files": files}
    write_json(folder / MODEL, content)


def load_model(folder: str | Path, name: str | None = None, runner: Trainer | None = None) -> AnomalyDetector[Any]:
    """Return a detector of a model, ready to score jets.

    Args:
        folder: folder of the model; "pretrained" is the model in the package.
        name: which of its detectors; none: the first. One's own is named by module:name, since a model runs no code
            that was not asked for.
        runner: runner on which it scores; by default in this process, on a GPU if there is one.

    Raises:
        ValueError: ``folder`` is not a model, has no such detector, or has damaged weights.
    """
    there = describe(folder)["detectors"]
    wanted = trusted(folder)[0] if name is None else name
    if wanted not in there:
        raise ValueError(f"{folder}: has no detector {wanted!r}; it has {', '.join(there)}")
    return registry.find(wanted).load(located(folder), runner)


def entry_of(detector: AnomalyDetector[Any]) -> str:
    """Return the name by which `darkclr_ray.detectors.registry` finds a detector's class.

    >>> from darkclr_ray.detectors.multiplicity import Multiplicity
    >>> entry_of(Multiplicity())
    'multiplicity'
    """
    cls = type(detector)
    if cls.name in registry.names() and registry.find(cls.name) is cls:
        return cls.name
    return f"{cls.__module__}:{cls.__qualname__}"
