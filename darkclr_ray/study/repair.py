"""Delete damaged files of a study before it is continued, so that they are computed again.

Every file is compared with the checksum that was written with it. study.json and settings.yaml say which study this is
and cannot be computed again: `StudyFolder.check` refuses a folder where they are damaged.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

from darkclr_ray.integrity import check_file, check_sealed
from darkclr_ray.store.files import read_json
from darkclr_ray.store.stages import check_stage
from darkclr_ray.study.folder import DERIVED, StudyFolder

RECORDS = ("trials/*.json", "runs/*.json", "sections/*.json", "references.json", "seeds.json")
"""Files of results, which are computed again from their stages."""


def delete_damaged(folder: StudyFolder, print_line: Callable[[str], object]) -> None:
    """Delete every damaged file of a study that can be computed again, and print one line for each.

    The caller holds the study's lock. A study that had ended is noted as unfinished where something was deleted.

    Raises:
        OSError: a file cannot be read or deleted.
    """
    damaged = [path for path, check in checks(folder) if not passes(check)]
    for path in damaged:
        print_line(f"{path}: damaged; it is computed again")
        shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
    about = folder.about()
    if damaged and about is not None and about.finished:
        folder.note(finished=False)


def passes(check: Callable[[], object]) -> bool:
    """Return whether a check raises no ValueError."""
    try:
        check()
    except ValueError:
        return False
    return True


def checks(folder: StudyFolder) -> Iterator[tuple[Path, Callable[[], object]]]:
    """Yield what a study can compute again, and for each the function that raises ValueError where it is damaged."""
    about = folder.about()
    known = about.files if about is not None else {}
    for name in DERIVED:
        if (path := folder.path / name).exists():
            yield path, lambda path=path, name=name: check_file(path, known.get(name))  # type: ignore[misc]
    for pattern in RECORDS:
        for path in sorted(folder.path.glob(pattern)):
            yield path, lambda path=path: read_json(path)  # type: ignore[misc]
    if (folder.path / "best").exists():
        from darkclr_ray.detectors.description import describe

        yield folder.path / "best", lambda: describe(folder.path / "best")
    if folder.optuna.exists():
        from darkclr_ray.study.journal import check_journal

        yield folder.optuna, lambda: check_journal(folder.optuna)
    for stage in folder.store.finished():
        yield stage, lambda stage=stage: check_stage(stage)  # type: ignore[misc]
        for array in stage.glob("*.npy"):
            yield array, lambda array=array: check_sealed(array)  # type: ignore[misc]
