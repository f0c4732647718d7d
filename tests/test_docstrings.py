"""Commands and snippets in docstrings are those of the program; those with ``>>>`` run as doctests."""

from __future__ import annotations

import ast
import re
import shlex
import sys
import textwrap
import tomllib
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from darkclr_ray.cli import embedding_scan, generate, import_jets, score, study, train
from darkclr_ray.cli.darkclr import COMMANDS
from darkclr_ray.cli.darkclr import main as darkclr
from darkclr_ray.detectors.models import pretrained
from darkclr_ray.detectors.multiplicity import Multiplicity
from darkclr_ray.testing import toy_jets

ROOT = Path(__file__).parents[1]
SOURCES = [*(ROOT / "darkclr_ray").rglob("*.py"), *(ROOT / "studies").rglob("*.py")]
SCRIPTS = {"generate_jets": "generate", "import_jets": "import", "train_model": "train"}
BLOCK = re.compile(r"\n\n((?: {4}.*\n|\n)+)")


@cache
def docstrings() -> list[tuple[str, str]]:
    """Every docstring, with its file."""
    found = []
    for path in sorted(SOURCES):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) and (text := ast.get_docstring(node)):
                found.append((str(path.relative_to(ROOT)), text + "\n"))
    return found


def commands() -> list[str]:
    """Every command in a docstring: between backticks, or on an indented line of its own."""
    found = []
    for _, text in docstrings():
        found += [" ".join(said.split()) for said in re.findall(r"`((?:darkclr|python) [^`]+)`", text)]
        found += re.findall(r"^    ((?:darkclr|python) [^#\n]+)", text, flags=re.MULTILINE)
    return sorted({command.strip() for command in found})


def blocks(start: str) -> list[tuple[str, str]]:
    """Indented pieces of docstrings that begin with these words, without what runs as a doctest."""
    found = [(path, textwrap.dedent(piece)) for path, text in docstrings() for piece in BLOCK.findall(text)]
    return [(path, piece) for path, piece in found if piece.startswith(start) and ">>>" not in piece]


def test_docstrings_hold_commands_and_snippets() -> None:
    assert len(commands()) > 15
    assert {path for path, _ in blocks("from ")} == {
        "darkclr_ray/detectors/models.py",
        "darkclr_ray/detectors/outliers.py",
        "darkclr_ray/estimator.py",
        "darkclr_ray/testing/__init__.py",
    }


@pytest.mark.parametrize("command", commands())
def test_commands_are_understood(
    command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """In an empty folder; worked studies are run by tests of their own, with the same words."""
    program, first, *rest = shlex.split(command)
    if program == "python":
        script = ROOT / first
        assert script.is_file(), first
        if script.parent.name == "worked" or first.startswith("tests/"):
            return
        name = SCRIPTS.get(script.stem, "study")
        words = rest if name != "study" else [script.stem, *rest]
    else:
        name, words = first, rest
    assert name in COMMANDS or name == "--help", name
    words = [word for word in words if word != "..."]
    if name == "study" and words:
        assert words[0] in study.STUDIES or words[0] in ("throughput", "views_transfer")
        if words[0] == "embedding_scan":
            embedding_scan.COMMAND_LINE.read(words[1:], "x")
    elif name == "train":
        train.COMMAND_LINE.read(words, "x")
    elif name in ("generate", "import", "score") and words:
        parser = {"generate": generate.parser, "import": import_jets.make_parser, "score": score.parser}[name]("x")
        parsed = parser.read(words)
        if name == "import":
            import_jets.options_from(parsed)
    elif name == "export" and words:
        monkeypatch.chdir(tmp_path)
        assert darkclr([name, *words]) == 0
    elif name in ("inspect", "report") and words:
        monkeypatch.chdir(tmp_path)
        with pytest.raises(SystemExit):
            darkclr([name, *words])
        assert f"{words[0]}: no such" in capsys.readouterr().err  # the only thing that is wrong


@pytest.mark.parametrize(
    ("path", "snippet"),
    [
        pytest.param(path, snippet, id=path, marks=[pytest.mark.slow] if "fit(" in snippet else [])
        for path, snippet in blocks("from ")
    ],
)
def test_snippets_run(path: str, snippet: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "results" / "embedding_scan").mkdir(parents=True)
    (tmp_path / "results" / "embedding_scan" / "best").symlink_to(pretrained())
    found: dict[str, object] = {"background": toy_jets(600, seed=1), "jets": toy_jets(30, seed=2)}
    program = compile(snippet, path, "exec")
    exec(program, found)
    if "scores" in found:
        assert np.asarray(found["scores"]).shape == (30,)
    if "strange" in found:
        assert np.asarray(found["strange"]).dtype == bool
    if path.endswith("outliers.py"):
        assert issubclass(found["Neighbours"], sys.modules["darkclr_ray.detectors.outliers"].OutlierDetector)  # type: ignore[arg-type]
    if path.startswith("darkclr_ray/testing"):
        from darkclr_ray.augmentations.registry import find

        found |= {"MyDetector": lambda width: Multiplicity(), "MyAugmentation": find("rotation")}
        found["test_my_detector"]()  # type: ignore[operator]
        found["test_my_augmentation"]()  # type: ignore[operator]


def test_entry_points_are_toml() -> None:
    ((_, piece),) = blocks("[project")
    assert tomllib.loads(piece)["project"]["entry-points"]["darkclr_ray.augmentations"]
