"""The example searches: accepted as they are, and run with tiny trainings."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from darkclr_ray.cli.embedding_scan import COMMAND_LINE
from darkclr_ray.jets.packed import Jets
from darkclr_ray.store.files import read_json
from darkclr_ray.study.scan import EmbeddingScan
from darkclr_ray.testing import check_augmentation
from tests.study.conftest import SIZES, TINY, write_toys
from tests.study.test_search import Scan

ROOT = Path(__file__).parents[1]
SEARCHES = ROOT / "studies" / "worked" / "searches"
NAMES = sorted(path.stem for path in SEARCHES.glob("*.yaml"))


@pytest.fixture(autouse=True)
def _modules(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(SEARCHES))
    monkeypatch.delitem(sys.modules, "soft_dropping", raising=False)


def test_there_are_three() -> None:
    assert len(NAMES) == 3


@pytest.mark.parametrize("name", NAMES)
def test_an_example_is_accepted_and_asks_for_points(name: str, tmp_path: Path) -> None:
    words = ["--config", str(SEARCHES / f"{name}.yaml"), "--out", str(tmp_path), "--search.delay", "1"]
    settings, preset = COMMAND_LINE.read(words)
    EmbeddingScan(settings, preset, words).check()
    scan, points = Scan(tmp_path, settings), []
    for number in range(6):
        suggestion = scan.searcher.suggest(f"t{number}")
        assert isinstance(suggestion, dict)
        points.append(tuple(suggestion["parameters"].items()))
        scan.finish(f"t{number}", -float(number), further=[float(number)] * len(settings.search.further_objectives))
    assert len(set(points)) > 3
    for point in points:
        values = dict(point)
        if name == "own_dimension":
            assert ("views.own.softness" in values) == (values["views.p_drop"] > 0.5)
            assert values["views.p_drop"] * values.get("views.own.softness", 0.0) <= 20.0


def test_the_own_augmentation_keeps_its_promises() -> None:
    import soft_dropping

    check_augmentation(soft_dropping.SoftDropping)


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_an_example_runs(name: str, tmp_path: Path, toy_jets: Callable[..., Jets]) -> None:
    jets = write_toys(tmp_path / "jets", toy_jets, SIZES)
    short = {key: value for key, value in TINY.items() if not key.startswith(("search.", "encoder.d_z"))}
    options = {**short, "search.trials": "3", "jets": str(jets), "out": str(tmp_path), "contrastive.batch_size": "64"}
    words = [word for key, value in options.items() for word in (f"--{key}", value)]
    command = [sys.executable, str(ROOT / "studies" / "embedding_scan.py"), "--config", f"{name}.yaml", *words]
    done = subprocess.run(command, cwd=SEARCHES, capture_output=True, text=True, timeout=1200)
    assert done.returncode == 0, done.stdout + done.stderr
    records = [read_json(path) for path in sorted((tmp_path / name / "trials").glob("*.json"))]
    assert len(records) == 3
    assert any(record["state"] == "COMPLETE" for record in records)
    page = (tmp_path / name / "report" / "index.html").read_text()
    assert ("Pareto front" in page) == (name == "worst_signal_against_seconds")
