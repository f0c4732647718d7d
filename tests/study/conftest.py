"""A small set of jets on disk, and studies on it that take seconds."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from darkclr_ray import streams
from darkclr_ray.cli.options import CommandLine
from darkclr_ray.jets import folder as jet_folders
from darkclr_ray.jets import unpacked
from darkclr_ray.jets.packed import Jets, TrainingSample, vector_pt
from darkclr_ray.jets.shards import Chunk, read_chunks, write_shard
from darkclr_ray.presets import PRESETS
from darkclr_ray.runtime.cluster import Cluster
from darkclr_ray.settings import StudySettings
from darkclr_ray.study.jets import StudyJets
from darkclr_ray.study.run import Study, compute
from darkclr_ray.study.scan import EmbeddingScan

SIZES = {"train": {"qcd": 256}, "validation": {"qcd": 120, "aachen": 80}, "test": {"qcd": 160, "aachen": 100}}

TINY = {
    "encoder.d_r": "8",
    "encoder.d_h": "8",
    "encoder.heads": "2",
    "encoder.layers": "1",
    "contrastive.batch_size": "64",
    "contrastive.epochs": "4",
    "nae.batch_size": "128",
    "nae.reconstruction_epochs": "3",
    "nae.divergence_epochs": "2",
    "nae.steps": "3",
    "nae.hidden": "8",
    "nae.bottleneck": "2",
    "search.d_z": "8,16",
    "search.step_sizes_per_encoder": "2",
    "search.delay": "1",
    "encoder.d_z": "8",
    "image_nae.channels": "2",
    "image_nae.reconstruction_epochs": "1",
    "image_nae.divergence_epochs": "1",
    "dirichlet_vae.epochs": "2",
    "inn.blocks": "2",
    "inn.epochs": "2",
    "kmeans.clusters": "5",
    "wnae.batch_size": "64",
    "wnae.reconstruction_epochs": "2",
    "wnae.wasserstein_epochs": "1",
}
"""Settings of a study of seconds."""


@pytest.fixture(scope="session")
def jet_folder(tmp_path_factory: pytest.TempPathFactory, toy_jets: Callable[..., Jets]) -> Path:
    """Toy jets in the layout of a study's; aachen has fewer constituents."""
    return write_toys(tmp_path_factory.mktemp("jets"), toy_jets, SIZES)


@pytest.fixture(scope="session")
def labelled_folder(tmp_path_factory: pytest.TempPathFactory, toy_jets: Callable[..., Jets]) -> Path:
    """The same with aachen to train on."""
    sizes = {**SIZES, "train": {"qcd": 256, "aachen": 64}}
    return write_toys(tmp_path_factory.mktemp("labelled"), toy_jets, sizes)


def write_toys(folder: Path, toy_jets: Callable[..., Jets], sizes: Mapping[str, Mapping[str, int]]) -> Path:
    """Toy jets by split and sample."""
    seed = 0
    for split, samples in sizes.items():
        for sample, count in samples.items():
            seed += 1
            jets = toy_jets(count, seed=seed, most=20 if sample == "aachen" else 40)
            pt = np.random.default_rng(seed).uniform(150.0, 300.0, count).astype(np.float32)
            factor = np.repeat(pt / vector_pt(jets.constituents, jets.offsets), jets.multiplicity)
            constituents = jets.constituents * np.stack([factor, np.ones_like(factor), np.ones_like(factor)], axis=1)
            kinematics = np.column_stack([pt, jets.kinematics[:, 1:]])
            jets = Jets(constituents, jets.offsets, jets.ids, jets.events, kinematics)
            write_shard(folder / split / sample / "shard-00000.parquet", jets, sample, {"parameters": {"kind": sample}})
    return folder


@pytest.fixture(scope="session")
def tiny_options() -> list[str]:
    """The tiny study's options."""
    return [word for name, value in TINY.items() for word in (f"--{name}", value)]


@pytest.fixture(scope="session")
def samples_read() -> list[str]:
    """Samples ("split/sample") whose jets the driver of `scan` has read, once for each time."""
    return []


@pytest.fixture(scope="session")
def scan(
    ray_session: None,
    tiny_options: list[str],
    toy_jets: Callable[..., Jets],
    samples_read: list[str],
    tmp_path_factory: pytest.TempPathFactory,
) -> EmbeddingScan:
    """An embedding scan of three trials, of which two share an encoder, on two signals."""
    two = {"validation": {"mass_10": 80}, "test": {"mass_10": 100}}
    sizes = {split: {**samples, **two.get(split, {})} for split, samples in SIZES.items()}
    jets = write_toys(tmp_path_factory.mktemp("scanned"), toy_jets, sizes)
    where = ["--jets", str(jets), "--out", str(tmp_path_factory.mktemp("results")), "--name", "scan"]
    line = CommandLine(StudySettings, PRESETS, "laptop", "", {})
    far_apart = ["--nae.step_size", "0.02", "--nae.divergence_learning_rate", "0.01"]
    settings, preset = line.read([*tiny_options, *ONE_WORKER_GROUP, *where, *far_apart, "--search.trials", "3"])
    scan = EmbeddingScan(settings, preset, ["embedding_scan"])

    def counted(chunks: Sequence[Chunk]) -> Jets:
        samples_read.extend({"/".join(Path(chunk.path).parts[-3:-1]) for chunk in chunks})
        return read_chunks(chunks)

    with pytest.MonkeyPatch.context() as patch:
        for module in (jet_folders, streams, unpacked):
            patch.setattr(module, "read_chunks", counted)
        perform(scan)
    return scan


def training_sample(jets: StudyJets) -> TrainingSample:
    """The background jets that detectors are fitted on."""
    return TrainingSample(jets.folder.load("train", jets.background, limit=jets.limit))


ONE_WORKER_GROUP = ("--compute.cpus_per_worker", "0.5", "--compute.concurrent_trials", "1")
"""Jobs are done in their order."""


def perform(study: Study) -> None:
    """Compute a study on the Ray that the tests share."""
    screen = io.StringIO()
    study.check()
    study.folder.claim()
    cluster = Cluster(dashboard=None, own=False)
    assert compute(study, study.open(), cluster, Console(file=screen, width=200)) == 0, screen.getvalue()
    study.folder.release()


def seal(stages: Path) -> None:
    """Put a file in the place where each finished stage would be computed again, so that whoever tries fails."""
    for stage in stages.glob("[!.]*/*/"):
        stage.with_name(f"{stage.name}.partial").touch()


def trainer(stages: Path, kind: str, name: str) -> str:
    """The job that computed a stage last: nobody takes the lock of a stage that is there."""
    owner: str = json.loads((stages / ".locks" / kind / name).read_text())["owner"]
    return owner
