"""Rebuild the report of a study from the files in its folder: ``darkclr report results/embedding_scan``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from darkclr_ray.cli.program import Parser
from darkclr_ray.fs_checks import check_writable


def main(arguments: Sequence[str], program: str) -> int:
    """Build the report and return 0; raise ValueError if the folder is no study, or has no complete trial or run."""
    line = Parser(prog=program, description=(__doc__ or "").replace("`", ""))
    line.add_argument("study", type=Path, help="folder of a study, finished or not")
    folder = line.read(arguments).study
    if not folder.is_dir():
        what = "a file; a study is a folder" if folder.exists() else "no such folder"
        raise ValueError(f"{folder}: {what}; studies are in results/, or where --out said")
    if not (folder / "study.json").is_file():
        raise ValueError(f"{folder}: no study, it has no study.json; studies are in results/, or where --out said")
    check_writable(folder / "report", "copy of the study")
    from darkclr_ray.reports import build

    print(build(folder))
    return 0
