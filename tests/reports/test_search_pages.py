"""Pages of searches beyond the paper's three parameters: any space, several objectives, further seeds, the control."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml

from darkclr_ray.reports import build, control
from darkclr_ray.reports.sections import pareto
from darkclr_ray.store.files import SEAL, read_json
from darkclr_ray.study.read_results import read_results

from .make_study import seal_study, write_json
from .pages import Text, rows, unpacked


def copy_of(study: Path, folder: Path) -> Path:
    """A copy of a study without its page."""
    return Path(shutil.copytree(study, folder, ignore=shutil.ignore_patterns("report")))


def changed(folder: Path, search: dict[str, Any], trial: Any = lambda record: record) -> Path:
    """A study's folder with other settings of the search and other trials' files."""
    path = folder / "settings.yaml"
    settings = yaml.safe_load(path.read_text().partition(SEAL)[0])
    settings["search"] |= search
    path.write_text(yaml.safe_dump(settings))
    for file in folder.glob("trials/*.json"):
        write_json(file, trial(json.loads(file.read_text())))
    return seal_study(folder)


@pytest.fixture
def folder(study_folder: Path, tmp_path: Path) -> Path:
    return copy_of(study_folder, tmp_path / "toy")


def test_a_space_of_numbers_words_and_conditions(folder: Path) -> None:
    points = [
        {"encoder.layers": 2, "views.anomalous": ["dropping", "rotation"], "contrastive.learning_rate": 1e-3},
        {"encoder.layers": 4, "views.anomalous": ["dropping"], "contrastive.learning_rate": 1e-4},
        {"encoder.layers": 4, "views.anomalous": ["dropping"], "encoder.dropout": 0.1},
        {"encoder.layers": 2, "views.anomalous": ["dropping"], "encoder.dropout": 0.2},
    ]
    space = {"contrastive.learning_rate": {"low": 1e-5, "high": 1e-2, "log": True}, "encoder.layers": [2, 4]}
    changed(folder, {"space": space}, lambda r: r | {"parameters": points[r["number"] % 4]})
    page = build(folder)
    text = Text(page.read_text(encoding="utf-8"))
    assert "encoder.layers = " in str(text)
    table = rows(page, "trials")
    assert [row["views.anomalous"] for row in table[:2]] == ["dropping, rotation", "dropping"]
    assert [row["encoder.dropout"] for row in table[:3]] in (["", "", "0.1"], ["nan", "nan", "0.1"])
    figure = next(block for block in page_blocks(page) if "views.anomalous" in json.dumps(block["layout"]))
    assert "contrastive.learning_rate" in json.dumps(figure["layout"])


def page_blocks(page: Path) -> list[dict[str, Any]]:
    figures = json.loads(unpacked(page.read_text(encoding="utf-8"), "content"))["figures"]
    return [json.loads(figure) for figure in figures.values()]


def test_the_pareto_front_of_a_page(folder: Path) -> None:
    costs = {0: 10.0, 1: 40.0, 2: 20.0, 3: 5.0}

    def trial(record: dict[str, Any]) -> dict[str, Any]:
        found = record["objectives"] | {"seconds": costs.get(record["number"], 0.0)}
        return record | {"objectives": found if record["state"] == "COMPLETE" else {}}

    changed(folder, {"further_objectives": ["seconds"]}, trial)
    study = read_results(folder)
    complete = [one for one in study.trials if one.state == "COMPLETE"]
    expected = [
        one.number
        for one in complete
        if not any(
            (other.objective or 0.0) > (one.objective or 0.0) and costs[other.number] < costs[one.number]
            for other in complete
        )
    ]
    assert [one.number for one in pareto.front(study)] == expected
    table = rows(build(folder), "pareto_front")
    assert sorted(int(row["trial"]) for row in table) == expected
    assert {float(row["seconds"]) for row in table} == {costs[number] for number in expected}


def test_a_search_beside_its_random_control(study_folder: Path, folder: Path, tmp_path: Path) -> None:
    random = copy_of(study_folder, tmp_path / "toy-random")
    write_json(random / "study.json", read_json(random / "study.json") | {"name": "toy-random"})
    changed(random, {"sampler": "random"})
    page = control.build(folder, random)
    table = rows(page, "best_so_far")
    for study in ("toy", "toy-random"):
        best = [float(row["best"]) for row in table if row["study"] == study]
        assert best == sorted(best)
        records = [read_json(path) for path in (tmp_path / study / "trials").glob("*.json")]
        found = max(record["objectives"].get("matched", -9.0) for record in records)
        assert best[-1] == pytest.approx(found, rel=1e-3)
    changed(random, {"objective": "worst"})
    with pytest.raises(ValueError, match="another objective"):
        control.build(folder, random)
