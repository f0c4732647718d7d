"""Write the files that a study provides besides its records: evaluated jets, examples, and the best model."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import yaml

from darkclr_ray.augmentations import registry
from darkclr_ray.integrity import replacing
from darkclr_ray.jets.packed import Jets
from darkclr_ray.randomness import KeyedRNG
from darkclr_ray.settings import InputSettings, StudySettings, ViewSettings
from darkclr_ray.store.files import replace_folder, write_json, write_text
from darkclr_ray.study.folder import StudyFolder
from darkclr_ray.study.records import EvaluationRecord, StudyRecord, TrialRecord

EXAMPLES = {
    "rotation": ("rotation", 0.5),
    "translation": ("translation", 0.5),
    "dropping_0.3": ("dropping", 0.3),
    "dropping_0.5": ("dropping", 0.5),
    "smearing": ("smearing", 0.5),
    "splitting": ("splitting", 0.5),
}
"""Name, transformation and p_drop of the example views."""

EXAMPLE_SIZE = 40
"""Approximate number of constituents of the example jet."""


def write_jets(path: Path, jets: Mapping[str, Mapping[str, Jets]]) -> None:
    """Write one row per evaluated jet, so that a report needs no shards."""
    parts = [
        pa.table(
            {
                "jet_id": some.ids,
                "event_id": some.events,
                "split": [split] * len(some),
                "sample": [sample] * len(some),
                "pt": some.pt,
                "eta": np.ascontiguousarray(some.kinematics[:, 1]),
                "mass": np.ascontiguousarray(some.mass),
                "multiplicity": some.multiplicity,
            }
        )
        for split, samples in jets.items()
        for sample, some in samples.items()
    ]
    with replacing(path) as partial:
        pq.write_table(pa.concat_tables(parts), partial, compression="zstd", write_page_checksum=True)


def write_examples(path: Path, background: Jets, inputs: InputSettings, seed: int) -> None:
    """Write one background jet before and after each transformation; float32 (n, 3): pT in GeV, eta, phi."""
    hardest = background.hardest(inputs.constituents)
    jet = hardest.take(np.argsort(abs(hardest.multiplicity - EXAMPLE_SIZE), kind="stable")[:1])
    views = {"original": jet.constituents}
    for name, (transformation, p_drop) in EXAMPLES.items():
        augmentation = registry.find(transformation).from_settings(ViewSettings(p_drop=p_drop), inputs)
        draws = KeyedRNG.keyed(jet.ids, seed=seed, epoch=0, transformation=transformation, draw=0)
        views[name] = np.ascontiguousarray(augmentation(np.asfortranarray(jet.constituents), jet.offsets, draws)[0])
    with replacing(path) as partial, open(partial, "wb") as file:
        np.savez(file, **views)  # type: ignore[arg-type]


def write_best(folder: StudyFolder, best: TrialRecord, settings: StudySettings) -> None:
    """Write the best trial's weights, settings and metrics to ``best/``, as a model (`detectors.models`)."""
    from darkclr_ray.detectors.models import (
        write_description,  # it imports torch, which an error message does not wait for
    )

    partial = folder.path / "best.partial"
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir()
    for kind in ("representation", "energy"):
        for path in folder.store.find(kind, best.stages[kind]).folder.glob("*.safetensors"):
            shutil.copy(path, partial)
    write_text(partial / "settings.yaml", yaml.safe_dump(json.loads(settings.model_dump_json()), sort_keys=False))
    jets = StudyRecord.read(folder.path / "study.json").jets
    assert jets is not None
    metrics = {"number", "parameters", "objective", "objectives", "validation", "test"}
    write_json(partial / "metrics.json", best.model_dump(mode="json", include=metrics))
    write_description(
        partial,
        ("s_NAE", "s_CLR", "s_AE"),
        {f"train/{name}": hash for name, hash in jets.fingerprints["train"].items()},
    )
    replace_folder(partial, folder.path / "best")


def evaluation_of(folder: StudyFolder, stages: Mapping[str, str]) -> EvaluationRecord:
    """Return the evaluation of a job with these stages; an empty one if it ended before its evaluation."""
    if "evaluation" not in stages:
        return EvaluationRecord()
    return EvaluationRecord.read(folder.store.find("evaluation", stages["evaluation"]).folder / "evaluation.json")
