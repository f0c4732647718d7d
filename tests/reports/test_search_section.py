"""Figures of the course of a search: their numbers against the trials' files."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from darkclr_ray.reports.sections import search
from darkclr_ray.study.read_results import read_results
from darkclr_ray.study.results import StudyResults

from .pages import rows, said


@pytest.fixture(scope="module")
def study(study_folder: Path) -> StudyResults:
    return read_results(study_folder)


@pytest.fixture(scope="module")
def parts(study: StudyResults) -> Any:
    found = search.section(study)
    assert found is not None
    return found.parts


@pytest.fixture(scope="module")
def files(study_folder: Path) -> list[dict[str, Any]]:
    return [json.loads(path.read_text()) for path in sorted(study_folder.glob("trials/*.json"))]


def test_curves_of_complete_and_pruned_trials(study_folder: Path, report: Path) -> None:
    """Complete ones from their stages (these histories have no validation loss), pruned ones from the file."""
    table = rows(report, "training_curves")
    history = (study_folder / "stages/representation/trial0/history.jsonl").read_text().splitlines()
    losses = [json.loads(line)["loss"] for line in history]
    found = [row for row in table if (row["trial"], row["quantity"]) == ("0", "encoder")]
    np.testing.assert_allclose([float(row["value"]) for row in found], losses)
    assert [float(row["epoch"]) for row in found] == list(range(1, 13))
    pruned = [row for row in table if row["trial"] == "4"]
    assert {row["state"] for row in pruned} == {"PRUNED"}
    encoder = [float(row["value"]) for row in pruned if row["quantity"] == "encoder"]
    assert encoder == [-5.0, -6.0, -7.0, -8.0]
    estimates = [(float(row["epoch"]), float(row["value"])) for row in pruned if row["quantity"] == "estimate"]
    assert estimates == [(2.0, 1.5), (4.0, 1.25)]


def test_states_are_distinguished(parts: Any) -> None:
    curves = {trace.name: trace for trace in parts["curves"].figure.data}
    assert set(curves) == {"complete", "pruned", "best trial"}
    assert len({trace.line.color for trace in curves.values()}) == 3
    bars = {trace.name: list(trace.text) for trace in parts["timeline"].figure.data}
    assert bars == {"complete": ["0", "1", "2", "3"], "pruned": ["4"], "failed": ["5"]}


def test_lines_of_parallel_coordinates_are_the_points(parts: Any, files: list[dict[str, Any]]) -> None:
    """Places on the axes: linear between the smallest and largest value, in the logarithm for d_z and step size."""
    points = {one["number"]: {**one["parameters"], "objective": one.get("objective")} for one in files}
    lines = {}
    for trace in parts["coordinates"].figure.data:
        if trace.hovertemplate.startswith("trial ") and "%{customdata}" not in trace.hovertemplate:
            lines[int(trace.hovertemplate.split()[1].rstrip(":"))] = trace.y
    assert set(lines) == {0, 1, 2, 3}
    for at, key in enumerate(("d_z", "p_drop", "step_size", "objective")):
        members = points.values() if key != "objective" else [points[number] for number in lines]
        scale = np.log if key in ("d_z", "step_size") else float
        low, high = (scale(end(one[key] for one in members)) for end in (min, max))
        for number, places in lines.items():
            expected = (scale(points[number][key]) - low) / (high - low)
            assert places[at] == pytest.approx(expected, abs=1e-4)


def test_slices_show_every_trial_at_its_point(parts: Any, files: list[dict[str, Any]]) -> None:
    figure = parts["slices"].figure
    for at, key in enumerate(("d_z", "p_drop", "step_size")):
        axis = "x" if at == 0 else f"x{at + 1}"
        shown = {
            number: (x, y)
            for trace in figure.data
            if trace.xaxis == axis
            for number, x, y in zip(trace.customdata, trace.x, trace.y, strict=True)
        }
        assert set(shown) == {one["number"] for one in files}
        for one in files:
            assert shown[one["number"]][0] == one["parameters"][key]
            if one["state"] == "COMPLETE":
                assert shown[one["number"]][1] == one["objective"]
    lowest = min(one["objective"] for one in files if one["state"] == "COMPLETE")
    assert all(y < lowest for trace in figure.data if trace.name in ("pruned", "failed") for y in trace.y)


def test_few_trials_are_warned_of(study: StudyResults) -> None:
    assert "With fewer than 20 complete trials these numbers are not reliable" in said(study, search.section)


def test_times_of_trials(report: Path) -> None:
    table = {int(row["number"]): row for row in rows(report, "timeline")}
    assert {number: float(row["start"]) for number, row in table.items()} == {0: 0, 1: 1, 2: 60, 3: 61, 4: 120, 5: 121}
    assert all(float(row["end"]) - float(row["start"]) == 50.0 for row in table.values())
    assert [row["worker_group"] for _, row in sorted(table.items())] == ["0", "1"] * 3


def test_trials_without_times_and_points_are_left_out(study: StudyResults) -> None:
    old = tuple(trial.model_copy(update={"execution": None, "unfinished": None}) for trial in study.trials)
    found = search.section(replace(study, trials=old))
    assert found is not None
    assert found.parts["timeline"] is None
    assert found.parts["curves"] is not None


def test_a_comparison_has_no_search(comparison_folder: Path) -> None:
    assert search.section(read_results(comparison_folder)) is None
