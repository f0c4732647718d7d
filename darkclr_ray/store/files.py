"""Files and folders that are whole or not there, whatever happens to the process or the machine that writes them."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from darkclr_ray.fs_checks import is_of_disk
from darkclr_ray.integrity import Damaged, digest, replacing, sync_folder

CHECKSUM = "blake2b"
"""Last entry of every JSON file: the checksum of the entries before it."""

SEAL = f"# {CHECKSUM} "
"""Begins the last line of a text file with a checksum; a comment in YAML."""

REMEDY = "restore it, or start a new study with --name"


def write_text(path: Path, text: str) -> None:
    """Replace ``path`` by ``text``: a reader, and a later start, see the old file or the new one.

    Makes the folder, but not the one that it is in: where that has gone, a disk has.
    """
    path.parent.mkdir(exist_ok=True)
    with replacing(path) as partial:
        partial.write_text(text, encoding="utf-8", newline="\n")


def write_sealed_text(path: Path, text: str) -> None:
    """Replace ``path`` by ``text`` and a last line with its checksum."""
    write_text(path, f"{text}{SEAL}{digest(text.encode())}\n")


def check_sealed_text(path: Path, remedy: str = REMEDY) -> None:
    """Raise Damaged, with what to do, where a file is not as `write_sealed_text` wrote it."""
    text, _, last = path.read_bytes().rpartition(SEAL.encode())
    if last != f"{digest(text)}\n".encode():
        raise Damaged(f"{path} {_fault(bool(text))}; {remedy}")


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Replace ``path`` by JSON with a checksum. Raises ValueError for NaN and infinity, which JSON has not."""
    write_text(path, _sealed(content))


def read_json(path: Path, remedy: str = REMEDY) -> dict[str, Any]:
    """Return what `write_json` wrote.

    Args:
        path: of the file.
        remedy: what a person can do where it is damaged.

    Raises:
        Damaged: the file cannot be read, or is not as it was written.
        OSError: the disk cannot be read.
    """
    try:
        text = path.read_text(encoding="utf-8")
        content = dict(json.loads(text))
    except (ValueError, TypeError, RecursionError, OSError) as error:
        if is_of_disk(error):
            raise
        raise Damaged(f"{path} cannot be read ({error}); {remedy}") from error
    found = content.pop(CHECKSUM, None)
    if found is None or text != _sealed(content):
        raise Damaged(f"{path} {_fault(found is not None)}; {remedy}")
    return content


def _sealed(content: Mapping[str, Any]) -> str:
    plain = json.dumps(content, indent=2, allow_nan=False)
    return json.dumps({**content, CHECKSUM: digest(plain.encode())}, indent=2) + "\n"


def _fault(has_checksum: bool) -> str:
    if has_checksum:
        return "is damaged, or was changed by hand: its checksum is that of other content"
    return "has no checksum: it is damaged, or was written by a version of darkclr_ray before 0.2"


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
