"""What a tracker gets of a trial, read from the files in a study's folder; the trackers by name."""

from __future__ import annotations

import importlib
import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Protocol

import yaml

from darkclr_ray.integrity import Damaged
from darkclr_ray.messages import nearest
from darkclr_ray.store.files import read_json
from darkclr_ray.study.folder import StudyFolder
from darkclr_ray.study.jobs import job_name

EPS_S = "0.2"
"""Signal efficiency of the rejections that a tracker gets."""

TRACKERS = {"tensorboard": "tensorboardX", "mlflow": "mlflow", "wandb": "wandb"}
"""Mapping from the name of a tracker to the module of its client."""


@dataclass(frozen=True)
class TrackedTrial:
    """A trial of a search, or a run of a comparison, that has ended.

    Attributes:
        name: of the trial: "trial-0003".
        state: COMPLETE, PRUNED or FAIL.
        parameters: values of the searched settings, or those that a run differs in.
        settings: all settings of the study that trials share, by dotted names.
        metrics: objectives, rejections and areas by split, score, signal and weighting, and seconds by stage.
        curves: training curves by stage and quantity, as pairs of epoch and value.
        files: the trial's own file and the weights of its networks.
        digest: hash of the trial's file; the trial is written again where it has changed.
    """

    name: str
    state: str
    parameters: Mapping[str, Any]
    settings: Mapping[str, Any]
    metrics: Mapping[str, float]
    curves: Mapping[str, list[tuple[int, float]]]
    files: tuple[Path, ...]
    digest: str


class Tracker(Protocol):
    """Writes trials to an experiment tracker. Writing a trial twice leaves it there once."""

    def write(self, trial: TrackedTrial) -> None:
        """Write a trial; replace it if it is there with other content."""

    def write_page(self, page: Path) -> None:
        """Write the report page of the study."""

    def close(self) -> None:
        """Send what is left."""


def check(target: str) -> None:
    """Raise ValueError for a tracker that is unknown or not installed."""
    name = target.partition(":")[0]
    if name not in TRACKERS:
        raise ValueError(f"{target}: unknown tracker{nearest(name, TRACKERS)}")
    if name == "wandb" and target.partition(":")[2] not in ("", "offline"):
        raise ValueError(f"{target}: expected wandb or wandb:offline")
    if find_spec(TRACKERS[name]) is None:
        raise ValueError(f"{target}: its client is not installed; pip install 'darkclr_ray[{name}]'")


def make(target: str, study: Path) -> Tracker:
    """Return the tracker of a study for a target such as "mlflow:http://localhost:5000".

    Args:
        target: name of the tracker, and after a colon where it writes to.
        study: folder of the study.
    """
    check(target)
    name, _, where = target.partition(":")
    tracker: Tracker = importlib.import_module(f"darkclr_ray.study.trackers.{name}_tracker").open_tracker(study, where)
    return tracker


def trials(study: Path) -> Iterator[TrackedTrial]:
    """Yield the trials of a search, or the runs of a comparison, that have ended; damaged files are left out."""
    folder = StudyFolder(study)
    text = (study / "settings.yaml").read_text(encoding="utf-8")
    shared = flat(yaml.safe_load(text))
    for path in sorted([*folder.trials.glob("*.json"), *(study / "runs").glob("*.json")]):
        try:
            record = read_json(path)
        except (Damaged, FileNotFoundError):
            continue
        yield of_record(folder, path, record, shared)


def of_record(folder: StudyFolder, path: Path, record: Mapping[str, Any], shared: Mapping[str, Any]) -> TrackedTrial:
    """Return a trial from the content of its file."""
    stages = [folder.store.folder / kind / name for kind, name in record.get("stages", {}).items()]
    weights = [file for stage in stages for file in sorted(stage.glob("*.safetensors"))]
    return TrackedTrial(
        name=job_name(record["number"]) if "number" in record else str(record["key"]),
        state=str(record["state"]),
        parameters=flat(record.get("parameters") or {}),
        settings=shared,
        metrics=dict(metrics(record)),
        curves={name: curve for stage in stages for name, curve in curves(stage)},
        files=(path, *weights),
        digest=read_digest(path),
    )


def metrics(record: Mapping[str, Any]) -> Iterator[tuple[str, float]]:
    """Yield all numbers of a trial: objectives, rejections and areas, seconds."""
    for group in ("objectives", "seconds"):
        for name, value in (record.get(group) or {}).items():
            if value is not None and math.isfinite(value):
                yield f"{group}/{name}", float(value)
    for split in ("validation", "test"):
        for score, signals in (record.get(split) or {}).items():
            for signal, evaluation in signals.items():
                for weighting in ("raw", "matched"):
                    found = evaluation.get(weighting) or {}
                    rejection = (found.get("rejection") or {}).get(EPS_S, {}).get("value")
                    for name, value in (("rejection", rejection), ("auc", found.get("auc"))):
                        if value is not None and math.isfinite(value):
                            yield f"{split}/{score}/{signal}/{weighting}/{name}", float(value)


def curves(stage: Path) -> Iterator[tuple[str, list[tuple[int, float]]]]:
    """Yield the training curves of a stage: each number of its history against the epoch."""
    path = stage / "history.jsonl"
    lines = path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
    found: dict[str, list[tuple[int, float]]] = {}
    for line in filter(str.strip, lines):
        epoch = json.loads(line)
        for name, value in epoch.items():
            if name != "epoch" and isinstance(value, int | float) and not isinstance(value, bool):
                found.setdefault(f"{stage.parent.name}/{name}", []).append((int(epoch["epoch"]), float(value)))
    yield from found.items()


def flat(values: Mapping[str, Any], above: str = "") -> dict[str, Any]:
    """Return nested values by dotted names, with lists as text.

    >>> flat({"encoder": {"d_z": 8}, "d": [1, 2]})
    {'encoder.d_z': 8, 'd': '[1, 2]'}
    """
    found: dict[str, Any] = {}
    for name, value in values.items():
        if isinstance(value, Mapping):
            found |= flat(value, f"{above}{name}.")
        else:
            plain = value is None or isinstance(value, str | int | float | bool)
            found[f"{above}{name}"] = value if plain else str(value)
    return found


def read_digest(path: Path) -> str:
    """Return the hash of a file's content."""
    from darkclr_ray.integrity import file_digest

    return file_digest(path)
