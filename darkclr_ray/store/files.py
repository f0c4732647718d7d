"""Files and folders that are whole or not there, whatever happens to the process or the machine that writes them."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from darkclr_ray.fs_checks import is_of_disk


def write_text(path: Path, text: str) -> None:
    """Replace ``path`` by ``text``: a reader, and a later start, see the old file or the new one.

    Makes the folder, but not the one that it is in: where that has gone, a disk has.
    """
    path.parent.mkdir(exist_ok=True)
    partial = path.with_name(f".{path.name}.partial")
    try:
        with open(partial, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        os.replace(partial, path)
    except OSError:
        with suppress(OSError):
            partial.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Replace ``path`` by JSON. Raises ValueError for NaN and infinity, which JSON has not."""
    write_text(path, json.dumps(content, indent=2, allow_nan=False) + "\n")


def read_json(path: Path) -> dict[str, Any]:
    """What `write_json` wrote. Raises ValueError where it is damaged, with the way out."""
    try:
        return dict(json.loads(path.read_text(encoding="utf-8")))
    except (ValueError, OSError) as error:
        if is_of_disk(error):
            raise
        raise ValueError(f"{path} cannot be read ({error}); restore it, or start a new study with --name") from error


def replace_folder(new: Path, folder: Path) -> None:
    """Put ``new``, a folder of files, in the place of ``folder``, on the same disk; a kill leaves one of them whole.

    What was there before goes last. In between it lies beside ``folder``, as ``.<name>.before``.
    """
    before = folder.with_name(f".{folder.name}.before")
    shutil.rmtree(before, ignore_errors=True)
    sync_files(new)
    if folder.exists():
        folder.rename(before)
    try:
        new.rename(folder)
    except OSError:
        if before.exists():
            before.rename(folder)
        raise
    sync_folder(folder.parent)
    shutil.rmtree(before, ignore_errors=True)


def sync_files(folder: Path) -> None:
    """Make the files of ``folder`` survive a power cut."""
    for path in folder.iterdir():
        with open(path, "rb") as file:
            os.fsync(file.fileno())
    sync_folder(folder)


def sync_folder(folder: Path) -> None:
    """Make renames within ``folder`` survive a power cut."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
