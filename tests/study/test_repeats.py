"""The best points of a search with further seeds: which is selected, and how large the bias of a single run is."""

from __future__ import annotations

import shutil
from pathlib import Path
from statistics import fmean, stdev

import pytest

from darkclr_ray.reports import build
from darkclr_ray.settings import SearchSettings
from darkclr_ray.store.files import read_json
from darkclr_ray.study.read_results import read_results
from darkclr_ray.study.records import Repeats, State, TrialRecord
from darkclr_ray.study.repeats import best_points, is_repeated, repeat_name, summary
from darkclr_ray.study.scan import EmbeddingScan

from .conftest import perform, seal


def record(number: int, objective: float | None) -> TrialRecord:
    state: State = "COMPLETE" if objective is not None else "PRUNED"
    return TrialRecord(number=number, state=state, objective=objective, parameters={"d_z": 8})


def test_the_mean_over_further_seeds_selects() -> None:
    search = SearchSettings(seeds=2, repeated_points=2)
    records = [record(0, 1.0), record(1, 3.0), record(2, None), record(3, 2.0)]
    points = best_points(records, search)
    assert [point.number for point in points] == [1, 3]
    values = {(1, 1): 1.0, (1, 2): 2.0, (3, 1): 1.8, (3, 2): 1.9}  # trial 1 was lucky
    found = {
        repeat_name(number, seed): {"objectives": {"matched": value}, "stages": {}}
        for (number, seed), value in values.items()
    }
    content = summary(points, found, search)
    assert content.selected == 3
    assert [point.mean for point in content.points] == [1.5, pytest.approx(1.85)]
    assert content.points[0].deviation == pytest.approx(stdev([1.0, 2.0]))
    assert is_repeated(content, records, search)
    assert not is_repeated(content, [*records, record(4, 9.0)], search)  # a better point has come
    assert not is_repeated(content, records, SearchSettings(seeds=3, repeated_points=2))
    del found[repeat_name(1, 1)], found[repeat_name(1, 2)]  # both trainings failed
    assert summary(points, found, search).points[0].mean is None


def test_a_finished_search_gets_further_seeds(scan: EmbeddingScan, tmp_path: Path) -> None:
    shutil.copytree(scan.folder.path, tmp_path / "scan", ignore=shutil.ignore_patterns("logs", "report"))
    (tmp_path / "scan" / "logs").mkdir()
    seal(tmp_path / "scan" / "stages")  # what is there is not trained again
    changes = {"out": str(tmp_path), "search": {"seeds": 2, "repeated_points": 2}}
    repeated = EmbeddingScan(scan.settings.updated(changes), "laptop", ["scan"])
    repeated.open()
    assert not repeated.finished()
    perform(repeated)
    assert repeated.finished()
    content = Repeats.read(repeated.folder.path / "seeds.json")
    single = sorted((trial.objective or 0.0 for trial in scan.folder.trial_records()), reverse=True)
    assert [point.objective for point in content.points] == single[:2]
    for point in content.points:
        assert len(set(point.repeats)) == 2  # other seeds, other numbers
        assert point.mean == pytest.approx(fmean(value or 0.0 for value in point.repeats))
    best = max(content.points, key=lambda point: point.mean or 0.0).number
    assert content.selected == best == read_json(repeated.folder.path / "best" / "metrics.json")["number"]
    assert read_results(repeated.folder.path).best.number == best
    top = content.points[0]
    assert f"a bias of {top.objective - (top.mean or 0.0):+.3f}" in build(repeated.folder.path).read_text()
