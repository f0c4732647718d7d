"""Going on from what is there: another study's points, another study's stages, further signals."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from darkclr_ray.jets.packed import Jets
from darkclr_ray.study.folder import StudyFolder
from darkclr_ray.study.journal import restore_trials
from darkclr_ray.study.records import TrialRecord
from darkclr_ray.study.scan import EmbeddingScan
from darkclr_ray.study.search import open_storage
from darkclr_ray.study.space import Space

from .conftest import perform, write_toys
from .test_objectives_again import again
from .test_search import SETTINGS, Scan


def other_study(folder: Path, objectives: dict[int, float]) -> None:
    """Files of another study, as far as a new one reads them."""
    study = StudyFolder(folder)
    folder.mkdir()
    machine = {"cpus": 2}
    study.describe(
        SETTINGS, "laptop", [], machine, {"kind": "embedding_scan", "jets": {"path": "", "fingerprints": {}}}
    )
    for number, objective in objectives.items():
        point = {"d_z": 16 * (1 + number % 2), "p_drop": 0.5, "step_size": 0.05 + 0.01 * number}
        others = {"worst": -objective}
        study.write_trial(
            TrialRecord(number=number, state="COMPLETE", objective=objective, objectives=others, parameters=point)
        )


def asked(folder: Path, search: dict[str, Any], count: int) -> list[dict[str, Any]]:
    scan = Scan(folder, SETTINGS.updated({"search": search}))
    found = []
    for number in range(count):
        suggestion = scan.searcher.suggest(f"t{number}")
        assert suggestion is not None
        found.append(suggestion["parameters"])
        scan.finish(f"t{number}", 1.0)
    return found


def test_the_best_points_of_another_study_come_first(tmp_path: Path) -> None:
    other_study(tmp_path / "other", {0: 1.0, 1: 3.0, 2: 2.0})
    start: dict[str, Any] = {"start_from": str(tmp_path / "other"), "start_points": 2}
    for name in "abc":
        (tmp_path / name).mkdir()
    points = asked(tmp_path / "a", start, 3)
    assert points[0] == Space(SETTINGS).first_point()
    assert [point["step_size"] for point in points[1:]] == pytest.approx([0.06, 0.07])
    # ranked by this study's objective where the other one has it
    points = asked(tmp_path / "b", start | {"objective": "worst", "start_points": 0}, 4)
    assert [point["step_size"] for point in points[1:]] == pytest.approx([0.05, 0.07, 0.06])
    # in another space: the nearest point to the other trial's settings
    space = {"encoder.d_z": [8, 30, 64], "nae.step_size": {"low": 0.0625, "high": 0.5}}
    points = asked(tmp_path / "c", start | {"space": space}, 3)
    assert points[1:] == [
        {"encoder.d_z": 30, "nae.step_size": 0.0625},
        {"encoder.d_z": 8, "nae.step_size": pytest.approx(0.07)},
    ]


def test_a_new_journal_has_the_points_that_are_still_to_come(tmp_path: Path) -> None:
    other_study(tmp_path / "other", {0: 1.0, 1: 3.0, 2: 2.0})
    settings = SETTINGS.updated({"search": {"start_from": str(tmp_path / "other"), "delay": 4}})
    point = Space(settings).first_point()
    record = TrialRecord(number=0, state="COMPLETE", objective=1.0, parameters=point)
    storage = open_storage(tmp_path / "optuna.log")
    assert restore_trials(storage, settings.name, [record], Space(settings))
    scan = Scan(tmp_path, settings)
    found = [scan.searcher.suggest(f"t{number}")["parameters"]["step_size"] for number in range(3)]
    assert found == pytest.approx([0.06, 0.07, 0.05])


def test_what_is_no_scan_is_refused(tmp_path: Path) -> None:
    for folder in (tmp_path, tmp_path / "absent"):
        scan = EmbeddingScan(SETTINGS.updated({"search": {"start_from": str(folder)}, "out": str(tmp_path)}), "", [])
        with pytest.raises(ValueError, match="expected the folder of an embedding scan"):
            scan.check()


def test_a_second_study_trains_none_of_the_firsts_encoders(scan: EmbeddingScan, tmp_path: Path) -> None:
    shutil.copytree(scan.folder.path, tmp_path / "first", ignore=shutil.ignore_patterns("logs", "report"))
    changes = {"name": "second", "out": str(tmp_path), "search": {"trials": 2}}
    second = EmbeddingScan(scan.settings.updated(changes), "laptop", ["scan"])
    perform(second)
    for kind in ("representation", "energy", "scores", "evaluation"):
        for record in second.folder.trial_records():
            own = second.folder.store.find(kind, record.stages[kind]).folder / "stage.json"
            assert own.read_bytes() == (scan.folder.store.folder / kind / record.stages[kind] / own.name).read_bytes()
            assert not (second.folder.store.folder / ".locks" / kind / record.stages[kind]).exists()


def test_further_signals_train_nothing(scan: EmbeddingScan, tmp_path: Path, toy_jets: Callable[..., Jets]) -> None:
    jets = tmp_path / "jets"
    shutil.copytree(scan.settings.jets, jets)
    more = write_toys(tmp_path / "more", toy_jets, {"validation": {"mass_20": 80}, "test": {"mass_20": 100}})
    for split in ("validation", "test"):
        shutil.copytree(more / split / "mass_20", jets / split / "mass_20")
    extended = again(scan, tmp_path, jets=str(jets))
    fingerprints = extended.open().fingerprints
    extended.folder.check(extended.settings, fingerprints, extendable=True)
    with pytest.raises(ValueError, match="test/mass_20, validation/mass_20 differ"):
        extended.folder.check(extended.settings, fingerprints)  # not a comparison
    assert not extended.finished()
    perform(extended)
    assert extended.finished()
    for record, before in zip(extended.folder.trial_records(), scan.folder.trial_records(), strict=True):
        assert set(record.test["s_NAE"]) == {"aachen", "mass_10", "mass_20"}
        assert record.parameters == before.parameters
        for kind in ("representation", "energy"):
            assert record.stages[kind] == before.stages[kind]
        same = before.test["s_NAE"]["aachen"].raw.auc
        assert record.test["s_NAE"]["aachen"].raw.auc == pytest.approx(same)
        assert record.objective != before.objective  # the mean over three signals
    assert json.loads((extended.folder.path / "study.json").read_text())["counts"]["test"]["mass_20"] == 100


def test_other_training_jets_are_another_study(scan: EmbeddingScan, tmp_path: Path) -> None:
    extended = again(scan, tmp_path)
    fingerprints = extended.open().fingerprints
    changed = {**fingerprints, "train": dict.fromkeys(fingerprints["train"], "0" * 32)}
    with pytest.raises(ValueError, match="train/qcd differ"):
        extended.folder.check(extended.settings, changed, extendable=True)
    fewer = {**fingerprints, "test": {"qcd": fingerprints["test"]["qcd"]}}
    with pytest.raises(ValueError, match="test/aachen, test/mass_10 differ"):
        extended.folder.check(extended.settings, fewer, extendable=True)
