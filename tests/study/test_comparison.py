"""A small comparison under Ray, to its end and its page; its numbers against the same by hand."""

from __future__ import annotations

import json
import math
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score

from darkclr_ray.cli.robustness import COMMAND_LINE
from darkclr_ray.detectors import registry
from darkclr_ray.evaluation.folds import event_folds
from darkclr_ray.jets.labelled import LabelledSample
from darkclr_ray.jets.packed import Jets, TrainingSample
from darkclr_ray.jets.shards import write_shard
from darkclr_ray.reports import build
from darkclr_ray.settings import StudySettings
from darkclr_ray.store.files import read_json
from darkclr_ray.store.scores import read_scores
from darkclr_ray.study.robustness import Robustness
from darkclr_ray.study.scan import EmbeddingScan
from darkclr_ray.training.trainer import Trainer
from tests.study.conftest import ONE_WORKER_GROUP, perform, seal, trainer, training_sample

ROOT = Path(__file__).parents[2]
OPTIONS = {
    "supervised.epochs": "2",
    "supervised.batch_size": "64",
    "views_classifier.hidden": "[]",
    "comparison.encoder_seeds": "2",
    "comparison.autoencoder_seeds": "2",
    "comparison.contamination": "0,0.1",
    "comparison.stability_jets": "40",
}


@pytest.fixture(scope="module")
def gluons(tmp_path_factory: pytest.TempPathFactory, toy_jets: Callable[..., Jets]) -> Path:
    """Test jets of the background as another simulation has it, with more constituents."""
    folder = tmp_path_factory.mktemp("systematics")
    shard = folder / "test" / "qcd_gluons" / "shard-00000.parquet"
    write_shard(shard, toy_jets(120, seed=9), "qcd_gluons", {"variation": "gluons"})
    return folder


@pytest.fixture(scope="module")
def options(tiny_options: list[str], labelled_folder: Path, gluons: Path, scan: EmbeddingScan) -> list[str]:
    beside = {"comparison.further_jets": str(gluons), "comparison.scan": str(scan.folder.path)}
    own = [word for name, value in (OPTIONS | beside).items() for word in (f"--{name}", value)]
    return [*tiny_options, *own, "--jets", str(labelled_folder)]


@pytest.fixture(scope="module")
def settings(options: list[str], tmp_path_factory: pytest.TempPathFactory) -> StudySettings:
    out = tmp_path_factory.mktemp("out")
    return COMMAND_LINE.read([*options, *ONE_WORKER_GROUP, "--out", str(out)], "robustness")[0]


@pytest.fixture(scope="module")
def study(ray_session: None, settings: StudySettings) -> Robustness:
    study = Robustness(settings, "laptop", ["robustness"])
    perform(study)
    return study


def records(study: Robustness) -> dict[str, dict[str, Any]]:
    return {path.stem: read_json(path) for path in (study.folder.path / "runs").glob("*.json")}


def test_everybody_has_a_record(study: Robustness) -> None:
    found = records(study)
    assert set(found) == {run_spec.key for run_spec in study.runs}
    for key, record in found.items():
        assert record["state"] == "COMPLETE", (key, record["reason"])
        assert set(record["test"]) == set(record["detectors"])
        assert set(record["signal_blind"]) == set(record["detectors"])
    assert study.finished()


def test_records_say_what_was_trained_on_what(study: Robustness) -> None:
    found = records(study)
    assert found["supervised-labels-e1"]["trained_on"]["words"] == "256 qcd jets and 64 aachen jets, with labels"
    assert found["signal_0.1-DarkCLR-e1"]["trained_on"] | {"words": ""} == {
        "background": "qcd",
        "jets": 256,
        "signal": "aachen",
        "signal_jets": 26,
        "labels": False,
        "fraction": 0.1,
        "words": "",
    }
    assert found["observables"]["seeds"] == {"encoder": None, "autoencoder": None}
    assert set(found["DarkCLR-e1-a2"]["chains"]) == {"s_NAE"}  # no chain trained the plain autoencoder


def test_what_is_shared_is_trained_once(study: Robustness) -> None:
    found = records(study)
    encoder = found["DarkCLR-e1"]["detectors"]["s_CLR"]["stages"]["representation"]
    for key in ("DarkCLR-e1-a1", "DarkCLR-e1-a2", "signal_0-DarkCLR-e1-a1"):
        assert found[key]["detectors"]["s_NAE"]["stages"]["representation"] == encoder
    energies = [found[f"DarkCLR-e1-a{number}"]["detectors"]["s_NAE"]["stages"]["energy"] for number in (1, 2)]
    assert energies[0] != energies[1]
    assert found["signal_0.1-DarkCLR-e1"]["detectors"]["s_CLR"]["stages"]["representation"] != encoder
    asked: dict[tuple[str, str], str] = {}
    for run_spec in study.runs:
        for stages in found[run_spec.key]["detectors"].values():
            for stage in stages["stages"].items():
                asked.setdefault(stage, run_spec.key)
    assert len(asked) > 10
    assert {stage: trainer(study.folder.store.folder, *stage) for stage in asked} == asked  # by the first who asks


def test_areas_are_those_of_a_notebook(study: Robustness) -> None:
    """Networks that are fitted in this process, and observables, judged by scikit-learn."""
    jets, found = study.open(), records(study)
    runner = Trainer(threads=1, validation=TrainingSample(jets.evaluation["validation"]["qcd"]))
    samples = {
        TrainingSample: training_sample(jets),
        LabelledSample: LabelledSample(training_sample(jets).jets, jets.labelled["aachen"]),
    }
    qcd, aachen = jets.evaluation["test"]["qcd"], jets.evaluation["test"]["aachen"]
    labels = np.repeat([0, 1], [len(qcd), len(aachen)])
    expected = {
        "multiplicity": roc_auc_score(labels, -np.concatenate([qcd.multiplicity, aachen.multiplicity])),
        "jet_pt": roc_auc_score(labels, np.concatenate([qcd.pt, aachen.pt])),
        "jet_mass": roc_auc_score(labels, np.concatenate([qcd.mass, aachen.mass])),
    }
    keys = ("trees-labels-e1", "supervised-labels-e1", "DarkCLR-e1", "DarkCLR-e2-a3")
    for run_spec in (run_spec for run_spec in study.runs if run_spec.key in keys):
        for entry in run_spec.job.detectors:
            detector = registry.make(entry, run_spec.job.settings)
            detector.fit(samples[detector.sample_type()], runner)
            scores = np.concatenate([detector.score(qcd), detector.score(aachen)])
            expected[detector.name] = roc_auc_score(labels, scores)
    areas = {
        name: signals["aachen"]["raw"]["auc"]
        for key in ("observables", *keys)
        for name, signals in found[key]["test"].items()
    }
    assert len(areas) == 10
    assert areas == pytest.approx(expected, abs=1e-12)


def section(study: Robustness, name: str) -> Any:
    return read_json(study.folder.path / "sections" / f"{name}.json")["result"]


def scores(study: Robustness, key: str, detector: str) -> dict[str, NDArray[np.float64]]:
    """Of test jets, by sample."""
    stage = records(study)[key]["stages"]["scores"]
    table = read_scores(study.folder.store.find("scores", stage).folder / "scores.parquet")
    return table["test"][detector]


def rejection(background: NDArray[np.float64], signal: NDArray[np.float64]) -> float:
    """At a signal efficiency of 0.2, of scores without ties."""
    cut = np.sort(signal)[-math.ceil(0.2 * len(signal))]
    return float(1.0 / np.mean(background > cut))


def test_every_section_is_there(study: Robustness) -> None:
    found = {path.stem for path in (study.folder.path / "sections").glob("*.json")}
    assert found == {"pairs", "sculpting", "stability", "systematics", "variance", "leave_one_out", "interpretation"}
    methods = {name for record in records(study).values() if "methods" in record["sections"] for name in record["test"]}
    for name in ("sculpting", "stability", "systematics"):
        assert set(section(study, name)) == methods
    assert set(section(study, "variance")) == {"s_NAE", "s_AE", "untrained s_NAE", "wnae"}


def test_pairs_by_hand(study: Robustness) -> None:
    (pair,) = (pair for pair in section(study, "pairs") if (pair["a"], pair["b"]) == ("s_NAE", "untrained s_NAE"))
    a, b = (scores(study, key, name) for key, name in (("DarkCLR-e1-a1", pair["a"]), (pair["b_key"], pair["b"])))
    assert (pair["signal"], pair["a_key"]) == ("aachen", "DarkCLR-e1-a1")
    ratio = rejection(a["qcd"], a["aachen"]) / rejection(b["qcd"], b["aachen"])
    assert pair["raw"]["ratio"] == pytest.approx(ratio)
    assert 0.0 < pair["matched"]["confidence"] < 1.0


def test_sculpting_by_hand(study: Robustness) -> None:
    mass = study.open().evaluation["test"]["qcd"].mass
    tenth, _ = section(study, "sculpting")["s_NAE"]["mass"]
    strangest = np.argsort(scores(study, "DarkCLR-e1-a1", "s_NAE")["qcd"])[-len(mass) // 10 :]
    assert tenth["passed"] == len(strangest) == 16
    assert tenth["after"] == np.histogram(mass[strangest], tenth["edges"])[0].tolist()


def test_stability_by_hand(study: Robustness) -> None:
    """All constituents 1% harder are as many as before, and a jet 1% harder."""
    found = {name: changes["scale_up"]["background"] for name, changes in section(study, "stability").items()}
    assert found["multiplicity"]["rms"] == 0.0
    few = study.open().evaluation["test"]["qcd"].pt[:40]
    assert found["jet_pt"]["mean"] == pytest.approx(0.01 * few.mean() / few.std(), rel=1e-3)


def test_systematics_by_hand(study: Robustness) -> None:
    test = study.open().evaluation["test"]
    nominal, varied = test["qcd"].multiplicity, test["qcd_gluons"].multiplicity
    found = section(study, "systematics")["multiplicity"]
    assert list(found) == ["gluons"]
    assert found["gluons"]["mean_shift"] == pytest.approx(-(varied.mean() - nominal.mean()) / nominal.std())
    s_nae = scores(study, "DarkCLR-e1-a1", "s_NAE")
    cut = section(study, "systematics")["s_NAE"]["gluons"]["signals"]["aachen"]["raw"]
    for side, background in (("nominal", "qcd"), ("varied", "qcd_gluons")):
        assert cut[side] == pytest.approx(rejection(s_nae[background], s_nae["aachen"]))


def test_variance_by_hand(study: Robustness) -> None:
    """Two autoencoders on each of two encoders, and four parts of the test sample."""
    test = study.open().evaluation["test"]
    parts = {name: event_folds(test[name].events, 4, seed=study.settings.seed) for name in ("qcd", "aachen")}
    y = np.empty((2, 2, 4))
    for (encoder, autoencoder), key in zip(np.ndindex(2, 2), ("e1-a1", "e1-a2", "e2-a3", "e2-a4"), strict=True):
        found = scores(study, f"DarkCLR-{key}", "s_NAE")
        for part in range(4):
            qcd, aachen = (found[name][parts[name] == part] for name in ("qcd", "aachen"))
            y[encoder, autoencoder, part] = math.log(rejection(qcd, aachen))
    raw = section(study, "variance")["s_NAE"]["aachen"]["raw"]
    networks, encoders = y.mean(axis=2), y.mean(axis=(1, 2))
    assert raw["mean"] == pytest.approx(y.mean())
    within = np.sum((networks - encoders[:, None]) ** 2) / 2
    assert raw["encoder"] == pytest.approx(encoders.var(ddof=1) - within / 2)
    assert raw["degrees_of_freedom"] == [1, 2, 3, 9]


def test_leave_one_out_by_hand(study: Robustness, scan: EmbeddingScan) -> None:
    """The trial that is best on the other signal, against the one that is best on this."""
    trials = [read_json(path) for path in sorted(scan.folder.trials.glob("*.json"))]

    def reached(trial: dict[str, Any], split: str, signal: str) -> float:
        value: float = trial[split]["s_NAE"][signal]["matched"]["rejection"]["0.2"]["value"]
        return value

    found = {left["signal"]: left for left in section(study, "leave_one_out")}
    for name, other in (("aachen", "mass_10"), ("mass_10", "aachen")):
        blind, oracle = (max(trials, key=lambda t, s=s: reached(t, "validation", s)) for s in (other, name))
        assert found[name]["left_out"]["trial"] == blind["number"]
        assert found[name]["oracle"]["trial"] == oracle["number"]
        assert found[name]["left_out"]["matched"] == reached(blind, "test", name)
        assert found[name]["loss"] == pytest.approx(reached(oracle, "test", name) / reached(blind, "test", name))
    assert set(found) == {"aachen", "mass_10"}


def test_a_page_comes_of_it(study: Robustness) -> None:
    assert build(study.folder.path).stat().st_size > 10000


def test_the_same_again_trains_nothing(study: Robustness, settings: StudySettings) -> None:
    """Even where the records were lost, and the scores of one run: nobody computes again what the store has."""
    stages, known, stable = study.folder.store.folder, records(study), section(study, "stability")
    before = {path for path in stages.glob("*/*/*") if path.suffix != ".npy"}
    lost = "DarkCLR-e1-a1"
    shutil.rmtree(stages / "scores" / known[lost]["stages"]["scores"])
    seal(stages)
    shutil.rmtree(study.folder.path / "runs")
    (study.folder.path / "sections" / "stability.json").unlink()
    study.folder.note(finished=False)
    perform(Robustness(settings, "laptop", ["robustness"]))
    assert {path for path in stages.glob("*/*/*") if path.suffix != ".npy"} == before
    found = records(study)
    assert {key: record["state"] for key, record in found.items()} == dict.fromkeys(known, "COMPLETE")
    assert {key: record["test"] for key, record in found.items()} == {k: record["test"] for k, record in known.items()}
    assert {key for key, record in found.items() if record["seconds"]} == {lost}
    assert section(study, "stability") == stable


def test_labels_that_are_not_there_are_asked_for(settings: StudySettings, jet_folder: Path) -> None:
    without = Robustness(settings.updated({"jets": str(jet_folder)}), "laptop", ["robustness"])
    with pytest.raises(ValueError, match=r"no training jets of the signal 'aachen' \(--supervised.signal\)"):
        without.open()


def test_an_unknown_detector_is_refused(settings: StudySettings) -> None:
    study = Robustness(settings.updated({"comparison": {"detectors": ("s_NEA",)}}), "laptop", ["robustness"])
    with pytest.raises(ValueError, match=r"comparison\.detectors: .*s_NEA"):
        study.check()


def test_a_scan_that_is_not_there_is_refused(settings: StudySettings, tmp_path: Path) -> None:
    study = Robustness(settings.updated({"comparison": {"scan": str(tmp_path)}}), "laptop", ["robustness"])
    with pytest.raises(ValueError, match=r"comparison\.scan = .* no embedding scan with trials"):
        study.check()


@pytest.mark.slow
def test_killed_and_continued(options: list[str], study: Robustness, tmp_path: Path) -> None:
    """A driver killed in the middle; the same command ends with the same numbers."""
    command = [sys.executable, str(ROOT / "studies" / "robustness.py"), *options, "--out", str(tmp_path)]
    folder = tmp_path / "robustness"
    with open(tmp_path / "screen.log", "ab") as screen:
        process = subprocess.Popen(command, stdout=screen, stderr=subprocess.STDOUT, start_new_session=True)
        while len(list(folder.glob("runs/*.json"))) < 2:
            assert process.poll() is None, (tmp_path / "screen.log").read_text()
            time.sleep(0.1)
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        known = {path: path.stat().st_mtime_ns for path in folder.glob("runs/*.json")}
        again = subprocess.run(command, stdout=screen, stderr=subprocess.STDOUT, timeout=600)
    assert again.returncode == 0, (tmp_path / "screen.log").read_text()
    assert {path: path.stat().st_mtime_ns for path in known} == known
    found = {path.stem: json.loads(path.read_text()) for path in folder.glob("runs/*.json")}
    undisturbed = records(study)
    assert set(found) == set(undisturbed)
    for key, record in found.items():
        assert record["test"] == undisturbed[key]["test"], key


def test_the_jobs_of_the_stability_analysis_are_in_the_estimate(study: Robustness) -> None:
    analysed = read_json(study.folder.path / "sections" / "stability.json")["of"].values()
    assert study.rescored() == []  # the analysis is there
    new = Robustness(study.settings.updated({"name": "not_begun"}), study.preset, study.command)
    assert new.rescored() == list(dict.fromkeys(new.rescored()))
    assert set(new.rescored()) == set(analysed)
