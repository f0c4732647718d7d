"""The worked studies run as their prose says."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

WORKED = Path(__file__).parents[1] / "studies" / "worked"


def run(name: str, *words: str, cwd: Path) -> str:
    done = subprocess.run(
        [sys.executable, str(WORKED / name), *words], cwd=cwd, capture_output=True, text=True, timeout=600
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def module(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    found = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(found)
    return found


def test_own_augmentation(tmp_path: Path) -> None:
    text = run("own_augmentation.py", "--quick", cwd=tmp_path)
    assert "both keep the promises" in text
    assert text.count("rejection ") == 3


def test_own_data(tmp_path: Path) -> None:
    text = run("own_data.py", "--folder", "mine", cwd=tmp_path)
    for name in ("qcd", "aachen"):
        (line,) = (line for line in text.splitlines() if line.startswith(f"{name}: "))
        kept, mine, theirs = int(line.split()[1]), *(float(word.strip(",")) for word in line.split()[-2:])
        assert kept > 390
        assert mine == pytest.approx(theirs, rel=0.02)


def test_reading_a_report(tmp_path: Path) -> None:
    make_study = module(Path(__file__).parent / "reports" / "make_study.py").make_study
    text = run("reading_a_report.py", str(make_study(tmp_path / "toy")), cwd=tmp_path)
    assert "4 complete" in text
    by_hand, raw = next(line.split()[1:5:3] for line in text.splitlines() if line.startswith("aachen"))
    assert float(by_hand) == pytest.approx(float(raw), rel=0.1)
    done = subprocess.run(
        [sys.executable, str(WORKED / "reading_a_report.py"), "nowhere"], capture_output=True, text=True
    )
    assert done.returncode == 2
    assert "nowhere: no finished study" in done.stderr
