"""A small set of jets, and a model that was trained on it by the command."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from darkclr_ray.cli import train
from darkclr_ray.jets.packed import Jets
from darkclr_ray.jets.shards import write_shard
from darkclr_ray.testing import toy_jets
from tests.reports.make_study import make_study

SIZES = {"train/qcd": 200, "validation/qcd": 60, "validation/aachen": 40, "test/qcd": 60, "test/aachen": 40}
TINY = (
    *("--encoder.d_r", "8", "--encoder.d_h", "16", "--encoder.d_z", "6", "--encoder.layers", "1"),
    *("--contrastive.epochs", "1", "--contrastive.batch_size", "50", "--nae.batch_size", "50", "--threads", "1"),
    *("--nae.reconstruction_epochs", "1", "--nae.divergence_epochs", "1", "--nae.hidden", "4", "--nae.bottleneck", "2"),
    *("--image_nae.channels", "2", "--image_nae.reconstruction_epochs", "1", "--image_nae.divergence_epochs", "1"),
    *("--dirichlet_vae.epochs", "1", "--inn.blocks", "2", "--inn.epochs", "1", "--kmeans.clusters", "5"),
    *("--wnae.batch_size", "50", "--wnae.reconstruction_epochs", "1", "--wnae.wasserstein_epochs", "1"),
)


@pytest.fixture(scope="session")
def jets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("commands") / "jets"
    for number, (part, size) in enumerate(SIZES.items()):
        sample = part.split("/")[1]
        some: Jets = toy_jets(size, seed=number, most=20 if sample == "qcd" else 6)
        some = replace(some, events=some.ids)
        write_shard(folder / part / "shard-00000.parquet", some, sample, {"name": sample})
    return folder


@pytest.fixture(scope="session")
def model(jets: Path) -> Path:
    folder = jets.with_name("model")
    assert train.main([*TINY, "--jets", str(jets), "--out", str(folder)], "darkclr train") == 0
    return folder


@pytest.fixture(scope="session")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A study of which everything is there but the report."""
    return make_study(tmp_path_factory.mktemp("results") / "toy", background=300, signal=60, replicas=2)
