"""Rebuild the report of a study from its files, or compare several studies: ``darkclr report results/scan``.

With one folder, the study's report is built again. With two or more folders of studies of one kind, a page compares
them: the settings that differ, the best points, the rejections side by side, and their paired ratios on the test jets
that the studies share.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from darkclr_ray.cli.program import Parser
from darkclr_ray.fs_checks import check_writable


def main(arguments: Sequence[str], program: str) -> int:
    """Build the report or the comparison and return 0.

    Raises ValueError if a folder is no study, or has no complete trial or run, or if studies cannot be compared.
    """
    line = Parser(prog=program, description=(__doc__ or "").replace("`", ""))
    line.add_argument("study", type=Path, nargs="+", help="folder of a study, finished or not; several are compared")
    line.add_argument("--out", type=Path, help="folder of the comparison [default: beside the first study]")
    options = line.read(arguments)
    for folder in options.study:
        _check_study(folder)
    if len(options.study) == 1:
        if options.out is not None:
            raise ValueError("--out: only the comparison of several studies is written elsewhere; leave it out")
        check_writable(options.study[0] / "report", "copy of the study")
        from darkclr_ray.reports import build

        print(build(options.study[0]))
        return 0
    from darkclr_ray.reports import versus

    out = options.out or versus.beside(options.study)
    check_writable(out, "--out")
    print(versus.build(options.study, out))
    return 0


def _check_study(folder: Path) -> None:
    if not folder.is_dir():
        what = "a file; a study is a folder" if folder.exists() else "no such folder"
        raise ValueError(f"{folder}: {what}; studies are in results/, or where --out said")
    if not (folder / "study.json").is_file():
        raise ValueError(f"{folder}: no study, it has no study.json; studies are in results/, or where --out said")
