"""A whole job on jets that are maps of files: the stages, weights, scores and evaluations of jets in memory."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from darkclr_ray.cli.options import CommandLine
from darkclr_ray.jets.packed import Jets
from darkclr_ray.jets.unpacked import is_mapped
from darkclr_ray.presets import PRESETS
from darkclr_ray.runtime.cached_trainer import CachedTrainer
from darkclr_ray.runtime.worker_loop import WorkerContext
from darkclr_ray.settings import StudySettings
from darkclr_ray.streams import JetSource
from darkclr_ray.study.jets import StudyJets, open_study_jets
from darkclr_ray.study.job_context import DatasetRefs, JobContext
from darkclr_ray.study.jobs import DetectorJob
from darkclr_ray.study.session import shared
from darkclr_ray.training import nae
from darkclr_ray.training.trainer import Trainer
from tests.study.conftest import training_sample

from ..training import toy


class Alone(WorkerContext):
    """A worker without a mailbox."""

    def report(self, progress: dict[str, Any]) -> None:
        pass

    def check_stop(self, progress: dict[str, Any]) -> None:
        pass


@dataclass(frozen=True)
class Held:
    """Jets in this process's memory."""

    held: Jets

    @property
    def jets(self) -> int:
        return len(self.held)

    def read(self, rows: NDArray[np.int64]) -> tuple[Jets, NDArray[np.int64]]:
        return self.held, rows

    def load(self) -> Jets:
        return self.held


def source(jets: StudyJets, split: str, name: str, sample: Jets) -> JetSource:
    return shared(jets, split, name, sample) if is_mapped(sample) else Held(sample)


def computed(settings: StudySettings, folder: Path) -> dict[str, Any]:
    jets = open_study_jets(settings)
    mapped = settings.compute.materialise_limit == 0.0
    assert is_mapped(training_sample(jets).jets) == mapped
    evaluation = {
        split: {name: source(jets, split, name, sample) for name, sample in samples.items()}
        for split, samples in jets.evaluation.items()
    }
    assert all(is_mapped(each.load()) == mapped for samples in evaluation.values() for each in samples.values())
    refs = DatasetRefs(source(jets, "train", "qcd", training_sample(jets).jets), evaluation, "qcd")
    (folder / "stages").mkdir(parents=True)
    context = JobContext(folder / "stages", refs, folder / "logs", 1.0)
    return context(DetectorJob(settings), Alone("trial-0001", 0, 1, toy.CPU))


def files(folder: Path) -> dict[str, bytes]:
    """What was computed; times are in stage.json, checkpoints and histories."""
    kinds = (".safetensors", ".npy", ".npz", ".parquet")
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.suffix in kinds}


@pytest.mark.parametrize("pool", [64, nae.POOL])
def test_a_job_on_mapped_jets(
    jet_folder: Path, tiny_options: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pool: int
) -> None:
    monkeypatch.setattr(nae, "POOL", pool)
    monkeypatch.setattr(CachedTrainer, "views", Trainer.views)  # tests/test_streams.py compares those of Ray Data
    line = CommandLine(StudySettings, PRESETS, "laptop", "", {})
    results, found = [], []
    for limit in ("4", "0"):  # in folders of their own: studies of one folder share stages
        words = [*tiny_options, "--jets", str(jet_folder), "--compute.materialise_limit", limit]
        results.append(computed(line.read(words)[0], tmp_path / limit / "study"))
        found.append(files(tmp_path / limit / "study"))
    held, mapped = results
    assert held["stages"] == mapped["stages"]
    for result in results:
        del result["objectives"]["seconds"]
    assert held["objectives"] == mapped["objectives"]
    assert any(name.endswith(".safetensors") for name in found[0])
    assert found[0] == found[1]
