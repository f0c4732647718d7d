"""Every detector, the package's and a plug-in's, from training to scores, to its description and to a graph."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from darkclr_ray.cli import score, train
from darkclr_ray.cli.darkclr import main as darkclr
from darkclr_ray.detectors import registry
from darkclr_ray.detectors.darkclr import EncoderEnergy, EncoderNorm
from darkclr_ray.detectors.exporting import padded
from darkclr_ray.detectors.models import load_model
from darkclr_ray.jets.folder import open_jets
from darkclr_ray.jets.shards import write_shard
from darkclr_ray.store.scores import read_scores
from darkclr_ray.testing import toy_jets
from tests.cli.conftest import TINY

PLUG_IN = """
from sklearn.neighbors import LocalOutlierFactor
from darkclr_ray.detectors.outliers import OutlierDetector

class Local(OutlierDetector):
    name, title = "local", "local outlier factor"

    def estimator(self):
        return LocalOutlierFactor(novelty=True)
"""
WITHOUT_TRAINING = ("jet_mass", "jet_pt", "multiplicity")
QUICK = (*WITHOUT_TRAINING, "isolation_forest", "s_CLR", "local_detectors:Local")
MORE = ("--supervised.epochs", "1", "--supervised.batch_size", "50", "--supervised.signal", "aachen")


@pytest.fixture(scope="module")
def labelled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A set of jets with a signal to train on."""
    folder = tmp_path_factory.mktemp("labelled") / "jets"
    for number, (split, size) in enumerate((("train", 200), ("validation", 60), ("test", 60))):
        for sample, most in (("qcd", 20), ("aachen", 6)):
            jets = toy_jets(size, seed=2 * number + (sample == "aachen"), most=most)
            write_shard(folder / split / sample / "shard-00000.parquet", jets, sample, {"name": sample})
    return folder


def go_through(entry: str, jets: Path, here: Path) -> None:
    """Train, score, inspect and export one detector with the commands; what they write is compared."""
    folder, out, graph = here / "model", here / "scores.parquet", here / "graph.pt2"
    words = [*TINY, *MORE, "--jets", str(jets), "--detectors", entry, "--out", str(folder)]
    assert train.main(words, "darkclr train") == 0
    named = ["--detectors", entry] if ":" in entry else []
    assert score.main([str(jets), "--with", str(folder), *named, "--out", str(out)], "darkclr score") == 0
    assert darkclr(["inspect", str(folder)]) == 0
    assert darkclr(["inspect", str(out)]) == 0
    detector, test = load_model(folder, entry), open_jets(jets).load("test", "aachen")
    found = read_scores(out)["test"][detector.name]["aachen"]
    np.testing.assert_allclose(found, detector.score(test), rtol=1e-5)
    exporting = ["export", str(folder), *named, "--out", str(graph)]
    if not issubclass(registry.find(entry), EncoderNorm | EncoderEnergy):
        with pytest.raises(SystemExit):
            darkclr(exporting)
        assert not graph.exists()
        return
    assert darkclr(exporting) == 0
    _, exported = torch.export.load(graph).module()(*padded(test).values())
    np.testing.assert_allclose(exported.numpy(), found, rtol=1e-5, atol=1e-5 * np.abs(found).max())


@pytest.mark.parametrize(
    "entry",
    [
        pytest.param(entry, marks=() if entry in QUICK else pytest.mark.slow)
        for entry in (*registry.names(), "local_detectors:Local")
    ],
)
def test_a_detector_goes_from_training_to_scores(
    entry: str, labelled: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "local_detectors.py").write_text(PLUG_IN)
    monkeypatch.syspath_prepend(tmp_path)
    go_through(entry, labelled, tmp_path)
