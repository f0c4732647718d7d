"""The source distribution holds everything that its tests need: every tracked file."""

from __future__ import annotations

import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

DEVELOPMENT = {
    ".gitignore",
    ".gitattributes",
    ".github",
    ".pre-commit-config.yaml",
    "CONTRIBUTING.md",
    "docs",
    "mkdocs.yml",
}
"""What only those who change the repository need."""


def test_the_source_distribution_holds_its_tests_and_what_they_need(tmp_path: Path) -> None:
    if not (ROOT / ".git").exists():
        pytest.skip("this is no repository")
    tracked = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    names = {name for name in tracked.split("\0") if name and name.split("/")[0] not in DEVELOPMENT}
    copy = tmp_path / "copy"  # the build writes beside the sources
    for name in names:
        (copy / name).parent.mkdir(parents=True, exist_ok=True)
        (copy / name).write_bytes((ROOT / name).read_bytes())
    build = f"from setuptools import build_meta; print(build_meta.build_sdist({str(tmp_path)!r}))"
    made = subprocess.run([sys.executable, "-c", build], cwd=copy, capture_output=True, text=True)
    assert made.returncode == 0, made.stderr
    with tarfile.open(tmp_path / made.stdout.split()[-1]) as archive:
        held = {member.name.partition("/")[2] for member in archive.getmembers()}
    assert names - held == set()
