"""The interpretation of the packaged model on jets of the starter set, and the trials' record of an early end."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from darkclr_ray.detectors.darkclr import RepresentationDetector
from darkclr_ray.detectors.models import load_model
from darkclr_ray.evaluation.collapse import effective_rank
from darkclr_ray.jets.folder import open_jets, starter_jets
from darkclr_ray.jets.packed import Jets
from darkclr_ray.study import interpretation
from darkclr_ray.study.artifacts import unfinished_history
from darkclr_ray.study.folder import StudyFolder
from darkclr_ray.study.interpretation import EXTREMES, FITTED, PICTURED, interpret
from darkclr_ray.study.records import Interpretation

SAMPLES = ("qcd", "aachen", "mass_20")


@pytest.fixture(scope="module")
def detector() -> RepresentationDetector:
    found = load_model("pretrained", "s_NAE")
    assert isinstance(found, RepresentationDetector)
    return found


@pytest.fixture(scope="module")
def samples() -> dict[str, Jets]:
    folder = open_jets(starter_jets())
    return {name: folder.load("test", name)[: 400 if name == "qcd" else 300] for name in SAMPLES}


@pytest.fixture(scope="module")
def scores(detector: RepresentationDetector, samples: dict[str, Jets]) -> dict[str, np.ndarray]:
    return {name: detector.score(jets) for name, jets in samples.items()}


@pytest.fixture(scope="module")
def found(detector: RepresentationDetector, samples: dict[str, Jets], scores: dict[str, np.ndarray]) -> Interpretation:
    return interpret(detector, detector.fitted[0], samples, scores, background="qcd", seed=1)


def test_the_extreme_jets_are_those_of_a_sorted_list(
    found: Interpretation, samples: dict[str, Jets], scores: dict[str, np.ndarray]
) -> None:
    everything = sorted(
        ((score, name, int(id)) for name in SAMPLES for score, id in zip(scores[name], samples[name].ids, strict=True)),
        key=lambda one: one[0],
    )
    assert [(jet.sample, jet.jet_id) for jet in found.least] == [one[1:] for one in everything[:EXTREMES]]
    assert [(jet.sample, jet.jet_id) for jet in found.most] == [one[1:] for one in everything[: -EXTREMES - 1 : -1]]
    for jet in found.most:
        row = int(np.flatnonzero(samples[jet.sample].ids == jet.jet_id)[0])
        one = samples[jet.sample][row]
        np.testing.assert_allclose(jet.constituents, one.constituents, rtol=1e-3)
        assert (jet.pt, jet.mass, jet.multiplicity) == (one.pt[0], one.mass[0], one.multiplicity[0])
        assert jet.background_above == np.mean(scores["qcd"] > jet.score)


def test_ranks_and_projections_are_those_of_representations(
    found: Interpretation, detector: RepresentationDetector, samples: dict[str, Jets]
) -> None:
    encoder, trainer = detector.fitted
    for layer in ("pooled", "head"):
        z = {name: trainer.represent(encoder, jets, layer).astype(np.float64) for name, jets in samples.items()}
        record = found.layers[layer]
        assert record.effective_rank == pytest.approx(effective_rank(z["qcd"]), rel=1e-3)
        assert (record.dimension, record.fitted) == (z["qcd"].shape[1], min(len(z["qcd"]), FITTED))
        _, values, vectors = np.linalg.svd(z["qcd"] - z["qcd"].mean(0), full_matrices=False)
        np.testing.assert_allclose(record.shares, values[:2] ** 2 / (values**2).sum(), rtol=2e-3)
        for name, at in record.samples.items():
            expected = (z[name] - z["qcd"].mean(0))[:PICTURED] @ vectors[0]
            np.testing.assert_allclose(np.abs(at.x), np.abs(expected), rtol=2e-2, atol=2e-3 * abs(expected).max())


def test_the_change_of_a_score_is_that_of_the_jet_without_a_constituent(
    found: Interpretation, detector: RepresentationDetector, samples: dict[str, Jets], scores: dict[str, np.ndarray]
) -> None:
    """The hardest and the softest constituent by hand, in units of the background's central 68%."""
    shown = np.log10 if found.log else np.asarray
    low, high = np.quantile(shown(scores["qcd"]), [0.16, 0.84])
    assert [one.jet.sample for one in found.occlusions] == ["qcd", "qcd", "aachen", "aachen"]
    for one in found.occlusions:
        jet = samples[one.jet.sample][samples[one.jet.sample].ids == one.jet.jet_id]
        cartesian = jet.constituents.astype(float) + np.array([0.0, *jet.kinematics[0, 1:3]])
        whole = shown(detector.score(Jets.from_numpy(cartesian[None])))[0]
        for left in (0, len(cartesian) - 1):
            without = Jets.from_numpy(np.delete(cartesian, left, axis=0)[None])
            expected = (shown(detector.score(without))[0] - whole) / ((high - low) / 2)
            assert one.constituents[left] == pytest.approx(expected, rel=1e-2, abs=1e-3)


def test_jets_with_hardly_anything_to_remove_are_no_examples(scores: dict[str, np.ndarray]) -> None:
    two = Jets.from_lists([[[9.0, 0.0, 0.0], [1.0, 0.1, 0.0]]] * 3)
    values = {"qcd": np.arange(3.0), "aachen": np.arange(3.0)}
    assert interpretation.examples({"qcd": two, "aachen": two}, values, "qcd") == []


def test_the_record_is_bounded(found: Interpretation, tmp_path: Path) -> None:
    found.write(tmp_path / "interpretation.json")
    assert (tmp_path / "interpretation.json").stat().st_size < 300_000
    assert Interpretation.read(tmp_path / "interpretation.json") == found


def test_the_history_of_a_training_at_work(tmp_path: Path) -> None:
    """A line that is being written, and values that no curve shows, are left out."""
    folder = StudyFolder(tmp_path)
    name = "0123456789abcdef0123456789abcdef"
    partial = tmp_path / "stages" / "representation" / f"{name}.partial"
    partial.mkdir(parents=True)
    assert unfinished_history(folder, "representation", name) == []
    lines = [json.dumps({"epoch": at, "loss": -at, "validation_loss": -2.0 * at, "seconds": 3.0}) for at in range(3)]
    (partial / "history.jsonl").write_text("\n".join([*lines[:2], lines[2][:9]]))
    expected = [{"epoch": 0, "loss": 0, "validation_loss": 0.0}, {"epoch": 1, "loss": -1, "validation_loss": -2.0}]
    assert unfinished_history(folder, "representation", name) == expected
