"""A small comparison under Ray, to its end and its page; its tables as regression values."""

from __future__ import annotations

import io
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from darkclr_ray.commands.robustness import COMMAND_LINE
from darkclr_ray.crews.resources import Node, allocate
from darkclr_ray.reports import build
from darkclr_ray.settings import StudySettings
from darkclr_ray.store.files import read_json
from darkclr_ray.study.progress import Display
from darkclr_ray.study.records import write_examples, write_jets
from darkclr_ray.study.robustness import Robustness
from darkclr_ray.study.session import Session

ROOT = Path(__file__).parents[2]
OPTIONS = {
    "supervised.epochs": "2",
    "supervised.batch_size": "64",
    "views_classifier.hidden": "[]",
    "comparison.encoder_seeds": "1",
    "comparison.autoencoder_seeds": "2",
    "comparison.contamination": "0,0.1",
    "comparison.stability_jets": "40",
}

EXPECTED = {
    "multiplicity": 0.705,
    "jet_pt": 0.534,
    "jet_mass": 0.293,
    "boosted_trees": 0.735,
    "supervised": 0.527,
    "s_CLR": 0.293,
    "views_classifier": 0.7,
    "s_NAE": 0.417,
    "s_AE": 0.417,
}
"""Areas under the curve of the first networks against aachen."""


@pytest.fixture(scope="module")
def options(tiny_options: list[str], labelled_folder: Path) -> list[str]:
    own = [word for name, value in OPTIONS.items() for word in (f"--{name}", value)]
    return [*tiny_options, *own, "--jets", str(labelled_folder)]


@pytest.fixture(scope="module")
def settings(options: list[str], tmp_path_factory: pytest.TempPathFactory) -> StudySettings:
    out = tmp_path_factory.mktemp("out")
    return COMMAND_LINE.read([*options, "--out", str(out), "--compute.cpus_per_worker", "0.5"], "robustness")[0]


def perform(study: Robustness) -> str:
    """What `darkclr_ray.study.run.run` does between Ray's start and its end; what was said."""
    jets, screen = study.open(), io.StringIO()
    study.folder.claim()
    study.folder.logs.mkdir(exist_ok=True)
    study.folder.describe(study.settings, study.preset, study.command, {"kind": study.kind, **jets.facts("qcd")})
    write_jets(study.folder.path / "jets.parquet", jets.judged)
    write_examples(study.folder.path / "examples.npz", jets.judged["validation"]["qcd"], study.settings.inputs, 1)
    allocation = allocate(study.settings.compute, study.total, [Node(2)])
    with Display(Console(file=screen, width=200)) as display, Session(study, jets, allocation, display) as session:
        assert study.work(session) == 0, screen.getvalue()
    study.folder.release()
    return screen.getvalue()


@pytest.fixture(scope="module")
def study(ray_session: None, settings: StudySettings) -> Robustness:
    study = Robustness(settings, "laptop", ["robustness"])
    study.check()
    perform(study)
    return study


def records(study: Robustness) -> dict[str, dict[str, Any]]:
    return {path.stem: read_json(path) for path in (study.folder.path / "entrants").glob("*.json")}


def test_everybody_has_a_record(study: Robustness) -> None:
    found = records(study)
    assert set(found) == {entrant.key for entrant in study.entrants}
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
    assert set(found["DarkCLR-e1-a2"]["chains"]) == {"s_NAE", "s_AE"}


def test_what_is_shared_is_trained_once(study: Robustness) -> None:
    found = records(study)
    encoder = found["DarkCLR-e1"]["detectors"]["s_CLR"]["stages"]["representation"]
    for key in ("DarkCLR-e1-a1", "DarkCLR-e1-a2", "signal_0-DarkCLR-e1-a1"):
        assert found[key]["detectors"]["s_NAE"]["stages"]["representation"] == encoder
    energies = [found[f"DarkCLR-e1-a{number}"]["detectors"]["s_NAE"]["stages"]["energy"] for number in (1, 2)]
    assert energies[0] != energies[1]
    assert found["signal_0.1-DarkCLR-e1"]["detectors"]["s_CLR"]["stages"]["representation"] != encoder


def test_sections_of_the_study_as_a_whole(study: Robustness) -> None:
    sections = {path.stem: read_json(path) for path in (study.folder.path / "sections").glob("*.json")}
    assert set(sections) == {"pairs", "sculpting", "stability"}  # one encoder, no further jets, no scan
    methods = {name for record in records(study).values() if "methods" in record["sections"] for name in record["test"]}
    for name in ("sculpting", "stability"):
        assert set(sections[name]["result"]) == methods
    assert all(0.0 < pair["matched"]["confidence"] < 1.0 for pair in sections["pairs"]["result"])


def test_tables_as_they_were(study: Robustness) -> None:
    """Those of networks may move a little with the order of sums."""
    found = records(study)
    areas = {
        name: round(signals["aachen"]["raw"]["auc"], 3)
        for key in ("observables", "trees-labels-e1", "supervised-labels-e1", "DarkCLR-e1", "DarkCLR-e1-a1")
        for name, signals in found[key]["test"].items()
    }
    assert areas == pytest.approx(EXPECTED, abs=0.02)


def test_a_page_comes_of_it(study: Robustness) -> None:
    assert build(study.folder.path).stat().st_size > 10000


def test_the_same_again_trains_nothing(study: Robustness, settings: StudySettings) -> None:
    """Even where the records were lost: the store has everything."""
    stages = study.folder.path / "stages"
    before = {path for path in stages.glob("*/*/*") if path.suffix != ".npy"}
    known = records(study)
    shutil.rmtree(study.folder.path / "entrants")
    study.folder.note(finished=False)
    perform(Robustness(settings, "laptop", ["robustness"]))
    assert {path for path in stages.glob("*/*/*") if path.suffix != ".npy"} == before
    found = records(study)
    assert {key: record["test"] for key, record in found.items()} == {k: record["test"] for k, record in known.items()}


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
        while len(list(folder.glob("entrants/*.json"))) < 2:
            assert process.poll() is None, (tmp_path / "screen.log").read_text()
            time.sleep(0.1)
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        known = {path: path.stat().st_mtime_ns for path in folder.glob("entrants/*.json")}
        again = subprocess.run(command, stdout=screen, stderr=subprocess.STDOUT, timeout=600)
    assert again.returncode == 0, (tmp_path / "screen.log").read_text()
    assert {path: path.stat().st_mtime_ns for path in known} == known
    found = {path.stem: json.loads(path.read_text()) for path in folder.glob("entrants/*.json")}
    undisturbed = records(study)
    assert set(found) == set(undisturbed)
    for key, record in found.items():
        assert record["test"] == undisturbed[key]["test"], key
