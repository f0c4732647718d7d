"""Write the files that a study provides besides its records: jets, example views, means, and the best model."""

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
from darkclr_ray.augmentations.families import DONORS, FAMILIES, family_jets
from darkclr_ray.integrity import replacing
from darkclr_ray.jets.observables import centred, observable_table
from darkclr_ray.jets.packed import Jets
from darkclr_ray.randomness import KeyedRNG
from darkclr_ray.settings import InputSettings, StudySettings, ViewSettings
from darkclr_ray.store.files import replace_folder, write_json, write_text
from darkclr_ray.study.detector_spec import SCORES
from darkclr_ray.study.folder import StudyFolder
from darkclr_ray.study.records import CURVES, EvaluationRecord, Interpretation, MeansRecord, StudyRecord, TrialRecord

EXAMPLES = {
    "rotation": ViewSettings(anomalous=("rotation",)),
    "translation": ViewSettings(anomalous=("translation",)),
    "dropping_0.3": ViewSettings(anomalous=("dropping",), p_drop=0.3),
    "dropping_0.5": ViewSettings(anomalous=("dropping",), p_drop=0.5),
    "smearing": ViewSettings(anomalous=("smearing",)),
    "splitting": ViewSettings(anomalous=("splitting",)),
    **{name: views for name, views in FAMILIES.items() if name not in ("dropping", DONORS)},
}
"""Settings of the example views, whose anomalous view is the one that is shown."""

OBSERVED = (
    "multiplicity",
    "soft_constituents",
    "smallest_fraction",
    "leading_fraction_5",
    "pt_dispersion",
    "width",
    "les_houches_angularity",
    "correlator_1",
    "subjets_0.2",
    "lund_emissions_0.02",
)
"""Observables whose means are compared between background, views of each family and signals."""

OBSERVED_JETS = 1000
"""Largest number of jets of a sample over which the means are taken."""

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
    for name, settings in EXAMPLES.items():
        (transformation,) = settings.anomalous
        augmentation = registry.find(transformation).from_settings(settings, inputs)
        draws = KeyedRNG.keyed(jet.ids, seed=seed, epoch=0, transformation=transformation, draw=0)
        views[name] = np.ascontiguousarray(augmentation(np.asfortranarray(jet.constituents), jet.offsets, draws)[0])
    with replacing(path) as partial, open(partial, "wb") as file:
        np.savez(file, **views)  # type: ignore[arg-type]


def write_means(
    path: Path, samples: Mapping[str, Jets], background: str, seed: int, donors: Jets | None = None
) -> None:
    """Write a `MeansRecord` with the means of `OBSERVED` for background, views of it of each family, and signals.

    All constituents of the jets are used, and views are not cut to those of the networks' inputs. Views of harder jets
    are included if there are ``donors``.
    """
    first = {name: jets.take(np.arange(min(len(jets), OBSERVED_JETS))) for name, jets in samples.items()}
    own = first.pop(background)
    some = None if donors is None else donors.take(np.arange(min(len(donors), OBSERVED_JETS)))
    views = {
        name: family_jets(name, own, seed=seed, purpose="means of observables", donors=some)
        for name in FAMILIES
        if name != DONORS or some is not None
    }
    MeansRecord(
        jets=OBSERVED_JETS,
        background=means(own),
        views={name: means(jets) for name, jets in views.items()},
        signals={name: means(jets) for name, jets in first.items()},
    ).write(path)


def means(jets: Jets) -> dict[str, float]:
    """Return the mean of each observable of `OBSERVED`, relative to the pT-weighted centres of the jets."""
    return dict(zip(OBSERVED, observable_table(centred(jets), OBSERVED).mean(0).tolist(), strict=True))


def write_best(folder: StudyFolder, best: TrialRecord, settings: StudySettings) -> None:
    """Write the best trial's weights, settings and metrics to ``best/``, as a model (`detectors.models`)."""
    from darkclr_ray.detectors.models import (
        write_description,  # it imports torch, which an error message does not wait for
    )

    partial = folder.path / "best.partial"
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir()
    for kind in ("scores", "representation", "energy"):  # the scores hold the weights of a further detector
        for path in folder.store.find(kind, best.stages[kind]).folder.glob("*.safetensors"):
            shutil.copy(path, partial)
    write_text(partial / "settings.yaml", yaml.safe_dump(json.loads(settings.model_dump_json()), sort_keys=False))
    jets = StudyRecord.read(folder.path / "study.json").jets
    assert jets is not None
    metrics = {"number", "parameters", "objective", "objectives", "validation", "test"}
    write_json(partial / "metrics.json", best.model_dump(mode="json", include=metrics))
    write_description(
        partial,
        (*SCORES, *({settings.search.score} - {*SCORES})),
        {f"train/{name}": hash for name, hash in jets.fingerprints["train"].items()},
    )
    replace_folder(partial, folder.path / "best")


def evaluation_of(folder: StudyFolder, stages: Mapping[str, str]) -> EvaluationRecord:
    """Return the evaluation of a job with these stages; an empty one if it ended before its evaluation."""
    if "evaluation" not in stages:
        return EvaluationRecord()
    return EvaluationRecord.read(folder.store.find("evaluation", stages["evaluation"]).folder / "evaluation.json")


def interpretation_of(folder: StudyFolder, stages: Mapping[str, str]) -> Interpretation:
    """Return the result of an `InterpretationJob` with these stages."""
    stage = folder.store.find("interpretation", stages["interpretation"])
    return Interpretation.read(stage.folder / "interpretation.json")


def unfinished_history(folder: StudyFolder, kind: str, name: str) -> list[dict[str, float | None]]:
    """Return the values of `CURVES` of each epoch of a training that may be at work; empty without a history.

    Args:
        folder: folder of the study.
        kind: kind of the training's stage.
        name: hash of the stage.
    """
    stage = folder.store.named(kind, name)
    path = (stage.folder if stage.finished else stage.partial) / "history.jsonl"
    try:
        lines = path.read_text(encoding="utf-8").split("\n")[:-1]  # the last line may be at work
    except FileNotFoundError:
        return []
    return [{key: value for key, value in json.loads(line).items() if key in CURVES} for line in lines]
