"""What a study says when it ends, and of which preset it is."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import pytest
from rich.console import Console

from darkclr_ray.exit_status import INTERRUPTED
from darkclr_ray.presets import preset
from darkclr_ray.runtime.outcome import InfrastructureError
from darkclr_ray.settings import StudySettings
from darkclr_ray.store.files import write_json
from darkclr_ray.study import run as run_module
from darkclr_ray.study.robustness import Robustness
from darkclr_ray.study.scan import EmbeddingScan

ODD = "[old] [/y] :smile:"
"""A folder whose name has words of rich's markup."""


def scan(folder: Path, settings: StudySettings | None = None, named: str = "laptop") -> EmbeddingScan:
    asked = (settings or preset("laptop")).updated({"out": str(folder), "name": "scan"})
    return EmbeddingScan(asked, named, ["darkclr", "embedding_scan", "--out", str(folder)])


@pytest.mark.parametrize("kind", [EmbeddingScan, Robustness])
def test_paths_are_shown_as_they_are(
    kind: type[EmbeddingScan | Robustness],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    study = kind(preset("laptop").updated({"out": str(tmp_path / ODD)}), "laptop", ["darkclr", "--out", ODD])
    study.folder.path.mkdir(parents=True)

    def stopped(*_: object) -> int:
        return INTERRUPTED

    def page_of(folder: Path) -> Path:
        return folder / "report" / "index.html"

    monkeypatch.setattr(kind, "open", lambda study: type("Jets", (), {"fingerprints": {}}))
    monkeypatch.setattr(run_module, "_compute", stopped)
    assert run_module.run(study, page_of) == INTERRUPTED
    assert f"'{ODD}'" in capsys.readouterr().out
    monkeypatch.setattr(kind, "finished", lambda study: True)
    monkeypatch.setattr("darkclr_ray.study.conclusions.conclusions", lambda folder: [str(folder)])
    assert run_module.run(study, page_of) == 0
    assert capsys.readouterr().out.endswith(f"\n{study.folder.path}/report/index.html\n")


def broken(*_: object) -> int:
    raise InfrastructureError("no room")


@pytest.mark.parametrize(
    ("ends", "status", "continues"),
    [
        (lambda *_: 1, 1, False),
        (lambda *_: 0, 0, False),
        (lambda *_: INTERRUPTED, INTERRUPTED, True),
        (broken, 1, True),
    ],
)
def test_it_says_how_to_go_on_where_something_is_left(
    ends: Callable[..., int], status: int, continues: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Status 1 of itself: all that was to do was done, and failed."""
    monkeypatch.setattr(run_module, "_compute", ends)
    screen = io.StringIO()
    assert run_module._guarded(scan(tmp_path), None, Console(file=screen)) == status  # type: ignore[arg-type]
    assert ("To continue:" in screen.getvalue()) == continues


def test_a_study_goes_on_with_the_preset_that_it_began_with(tmp_path: Path) -> None:
    changed = preset("paper").updated({"seed": 7})
    assert scan(tmp_path, changed).preset == "laptop"
    (tmp_path / "scan").mkdir()
    write_json(tmp_path / "scan" / "study.json", {"name": "scan", "preset": "paper"})
    assert scan(tmp_path, changed).preset == "paper"
    write_json(tmp_path / "scan" / "study.json", {"name": "scan", "preset": "one that went"})
    assert scan(tmp_path, changed).preset == "laptop"


@pytest.mark.parametrize("named", ["paper", "laptop"])
def test_a_new_study_is_of_the_preset_whose_settings_it_has(named: str, tmp_path: Path) -> None:
    for name in ("paper", "laptop"):
        moved = preset(name).updated({"compute": {"workers": 2}, "search": {"trials": 3}, "jets": "elsewhere"})
        assert scan(tmp_path, moved, named).preset == name
    assert scan(tmp_path, preset("paper").updated({"encoder": {"layers": 3}}), named).preset == named
