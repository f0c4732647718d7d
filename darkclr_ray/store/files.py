"""Write files and folders atomically and with checksums, and verify the checksums when the files are read."""

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
"""Key of the last entry of every JSON file, which is the checksum of the entries before it."""

SEAL = f"# {CHECKSUM} "
"""Start of the last line of a text file with a checksum. YAML reads the line as a comment."""

REMEDY = "restore it, or start a new study with --name"


def write_text(path: Path, text: str) -> None:
    """Replace the file ``path`` atomically by ``text``; a reader sees either the old file or the new one.

    Creates the folder of the file. Raises FileNotFoundError when the parent of that folder is missing, since its
    absence indicates a lost disk.
    """
    path.parent.mkdir(exist_ok=True)
    with replacing(path) as partial:
        partial.write_text(text, encoding="utf-8", newline="\n")


def write_sealed_text(path: Path, text: str) -> None:
    """Replace the file ``path`` atomically by ``text`` and a last line with its checksum."""
    write_text(path, f"{text}{SEAL}{digest(text.encode())}\n")


def check_sealed_text(path: Path, remedy: str = REMEDY) -> None:
    """Raise Damaged unless a file is as `write_sealed_text` wrote it; ``remedy`` ends the error message."""
    text, _, last = path.read_bytes().rpartition(SEAL.encode())
    if last != f"{digest(text)}\n".encode():
        raise Damaged(f"{path} {_fault(bool(text))}; {remedy}")


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Replace the file ``path`` atomically by JSON with a checksum.

    Raises ValueError for NaN and infinity, which JSON cannot represent.
    """
    write_text(path, _sealed(content))


def read_json(path: Path, remedy: str = REMEDY) -> dict[str, Any]:
    """Return the content of a file that `write_json` wrote, without its checksum.

    Args:
        path: path of the file.
        remedy: advice that ends the error message for a damaged file.

    Raises:
        Damaged: the file cannot be parsed, or its checksum does not match its content.
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
    """Replace ``folder`` by ``new``, a folder of files on the same disk.

    If the process is killed, either the old or the new content is complete. During the exchange the old content is
    kept beside ``folder`` as ``.<name>.before``; it is deleted at the end.
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
    """Flush the files of ``folder`` to disk, so that they survive a power failure."""
    for path in folder.iterdir():
        with open(path, "rb") as file:
            os.fsync(file.fileno())
    sync_folder(folder)
