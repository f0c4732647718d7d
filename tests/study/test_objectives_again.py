"""A finished study under other objectives, scores and signals: evaluated from what is stored, nothing trained again."""

from __future__ import annotations

import math
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pytest

from darkclr_ray.reports import build
from darkclr_ray.reports.sections.pareto import front
from darkclr_ray.settings import SearchSettings
from darkclr_ray.store.files import read_json
from darkclr_ray.study.objectives import check_all
from darkclr_ray.study.read_results import read_results
from darkclr_ray.study.scan import EmbeddingScan
from darkclr_ray.study.search import open_storage

from .conftest import perform

TRAINED = ("representation", "energy")


def again(scan: EmbeddingScan, out: Path, **changes: Any) -> EmbeddingScan:
    """The same study in another folder, with other settings of its search."""
    shutil.copytree(scan.folder.path, out / "scan", ignore=shutil.ignore_patterns("logs", "report"))
    (out / "scan" / "logs").mkdir()
    for kind in TRAINED:
        for stage in (out / "scan" / "stages" / kind).glob("[!.]*"):
            stage.with_name(f"{stage.name}.partial").touch()  # whoever trains again fails
    return EmbeddingScan(scan.settings.updated({"out": str(out), "name": "scan", **changes}), "laptop", ["scan"])


def optuna_values(scan: EmbeddingScan) -> list[list[float] | None]:
    study = optuna.load_study(study_name=scan.settings.name, storage=open_storage(scan.folder.optuna))
    return [trial.values for trial in study.get_trials()]


def stages(scan: EmbeddingScan, kind: str) -> set[str]:
    return {path.name for path in scan.folder.store.finished() if path.parent.name == kind}


def test_another_objective_and_costs(scan: EmbeddingScan, tmp_path: Path) -> None:
    before = scan.folder.trial_records()
    other = again(scan, tmp_path, search={"objective": "worst", "further_objectives": ["seconds", "parameters"]})
    other.open()
    assert not other.finished()
    perform(other)
    assert other.finished()
    records = other.folder.trial_records()
    for record, old in zip(records, before, strict=True):
        validation = [one.matched.at(0.2).value for one in record.validation["s_NAE"].values()]
        assert len(validation) == 2
        assert record.objective == pytest.approx(math.log(min(validation)))
        assert record.stages == old.stages
        assert record.parameters == old.parameters
        kinds = {kind: other.folder.store.find(kind, record.stages[kind]) for kind in TRAINED}
        seconds = sum(stage.notes()["seconds"] for stage in kinds.values())
        assert record.objectives["seconds"] == pytest.approx(seconds)
    assert records[0].objectives["seconds"] > 0
    by_width = {record.parameters["d_z"]: record.objectives["parameters"] for record in records}
    assert by_width[min(by_width)] <= by_width[max(by_width)]
    expected = [[r.objective, r.objectives["seconds"], r.objectives["parameters"]] for r in records]
    assert optuna_values(other) == expected
    best = max(records, key=lambda record: record.objective)
    assert read_json(other.folder.path / "best" / "metrics.json")["number"] == best.number

    page = build(other.folder.path)
    assert "Pareto front" in page.read_text()
    study = read_results(other.folder.path)
    gains = np.array([[v[0], -v[1], -v[2]] for v in expected])
    by_hand = [
        number for number, own in enumerate(gains) if not any((row >= own).all() and (row > own).any() for row in gains)
    ]
    assert [trial.number for trial in front(study)] == by_hand


def test_another_detector_is_judged(scan: EmbeddingScan, tmp_path: Path) -> None:
    other = again(scan, tmp_path, search={"score": "isolation_forest"})
    other.check()
    perform(other)
    for record in other.folder.trial_records():
        found = record.validation["isolation_forest"]
        values = [one.matched.at(0.2).value for one in found.values()]
        assert record.objective == pytest.approx(float(np.mean(np.log(values))))
        assert record.score == "isolation_forest"
    assert other.finished()
    assert stages(other, "representation") == stages(scan, "representation")
    assert stages(other, "energy") >= stages(
        scan, "energy"
    )  # a trial that was pruned by the other score is trained now
    assert build(other.folder.path).stat().st_size > 10000


@pytest.mark.parametrize(
    ("search", "message"),
    [
        ({"objective": "seconds"}, "a cost alone"),
        ({"further_objectives": ["matched"]}, "there twice"),
        ({"further_objectives": ["second"]}, "unknown objective"),
        ({"further_objectives": ["seconds"], "sampler": "cmaes"}, "one objective only"),
    ],
)
def test_objectives_that_contradict_are_refused(search: Mapping[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        check_all(SearchSettings.model_validate(search))


@pytest.mark.parametrize(
    ("score", "message"), [("s_NEA", "did you mean.*s_NAE"), ("supervised", "trained with labels")]
)
def test_scores_are_refused(scan: EmbeddingScan, score: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        EmbeddingScan(scan.settings.updated({"search": {"score": score}}), "laptop", ["scan"]).check()
