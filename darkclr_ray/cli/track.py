"""Write a study to an experiment tracker: ``darkclr track results/embedding_scan --to mlflow:http://localhost:5000``.

Parameters, training curves, metrics and files of every trial that has ended are written, and the report page. What the
tracker has already is not written again. While a study runs, the option --tracking of the study does the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from darkclr_ray.cli.program import Parser


def main(arguments: Sequence[str], program: str) -> int:
    """Write the study and return 0; raise ValueError if the folder is no study or the tracker is not there."""
    line = Parser(prog=program, description=(__doc__ or "").replace("`", ""))
    line.add_argument("study", type=Path, help="folder of a study, finished or not")
    line.add_argument(
        "--to", required=True, metavar="TRACKER", help="tensorboard[:FOLDER], mlflow[:URI], wandb or wandb:offline"
    )
    words = line.read(arguments)
    if not (words.study / "study.json").is_file():
        raise ValueError(f"{words.study}: no study, it has no study.json; studies are in results/, or where --out said")
    from darkclr_ray.study.trackers import base
    from darkclr_ray.study.tracking import write_study

    base.check(words.to)
    try:
        count = write_study(words.study, words.to)
    except Exception as error:  # each library has its own
        text = " ".join(str(error).split())[:500]
        raise ValueError(f"{words.to}: could not be written: {type(error).__name__}: {text}") from error
    print(f"{count} trials of {words.study}; written to {words.to}")
    return 0
