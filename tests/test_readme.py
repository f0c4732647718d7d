"""The README tells the truth: its table of settings, its commands, its files and its snippet."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from darkclr_ray.settings import StudySettings, preset

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
ROWS = re.findall(r"^\| `([a-z_]+\.[a-z_]+)` \| (\S+) \| (\S+) \|", README, flags=re.MULTILINE)


def value(settings: StudySettings, name: str) -> object:
    group, field = name.split(".")
    return getattr(getattr(settings, group), field)


@pytest.mark.parametrize(("name", "paper", "laptop"), ROWS)
def test_table_of_settings(name: str, paper: str, laptop: str) -> None:
    for text, settings in ((paper, preset("paper")), (laptop, preset("laptop"))):
        assert float(text) == value(settings, name) if text[0].isdigit() else text == value(settings, name)


def test_table_is_there() -> None:
    assert len(ROWS) > 10


@pytest.mark.parametrize("target", re.findall(r"\]\((?!https?://)([^)]+)\)", README))
def test_links_lead_somewhere(target: str) -> None:
    assert (ROOT / target).exists()


@pytest.mark.parametrize("command", sorted(set(re.findall(r"python (studies/\w+\.py)", README))))
def test_scripts_explain_themselves(command: str) -> None:
    done = subprocess.run([sys.executable, ROOT / command, "--help"], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert "usage:" in done.stdout.lower()


@pytest.mark.parametrize("line", re.findall(r"`(?:python )?(studies/embedding_scan\.py [^`]*--[^`]*)`", README))
def test_options_are_known(line: str) -> None:
    given = re.findall(r"--[a-z_.]+", line)
    done = subprocess.run(
        [sys.executable, ROOT / "studies/embedding_scan.py", "--help"], capture_output=True, text=True, timeout=60
    )
    known = set(re.findall(r"--[a-z_.]+", done.stdout))
    assert set(given) <= known | {"--help"}, shlex.join(given)


def test_ci_calls_the_test_command() -> None:
    script = (ROOT / ".ci/run").read_text(encoding="utf-8")
    assert 'pip install ".[test]" && pytest' in README
    assert 'pip install ".[test]"' in script.replace(" --quiet", "")
    assert "\npytest\n" in script


def test_citation_is_yaml() -> None:
    assert yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))["license"] == "BSD-3-Clause"


def test_snippet_runs() -> None:
    (snippet,) = re.findall(r"```python\n(.*?)```", README, flags=re.DOTALL)
    done = subprocess.run([sys.executable, "-c", snippet], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert len(re.findall(r"\d\.\d+", done.stdout)) == 3
