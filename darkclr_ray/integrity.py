"""Write files atomically, and detect damaged files by checksums when they are read.

Checksums are BLAKE2b of 128 bits (`b2sum -l 128` computes the same). A folder's description lists those of its files
(`folder_digests`, `check_folder`); a single file has its checksum appended (`write_sealed`, `read_sealed`).
"""

from __future__ import annotations

import hashlib
import logging
import os
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

logger = logging.getLogger(__name__)

DIGEST_BYTES = 16


class Damaged(ValueError):
    """Raised if a file is missing, or if its content is not what was written."""


@contextmanager
def replacing(path: Path, owner: str = "") -> Iterator[Path]:
    """Yield the path of a partial file beside ``path``; move it to ``path`` at the end, unless an error is raised.

    A reader, and a later process, see the old file or the new one, also after a power failure. Every file that is not
    written into a temporary folder is written in this way.

    Args:
        path: path of the file, in a folder that exists.
        owner: name of the writer, if several may write the same file at the same time.

    Raises:
        OSError: the disk is full, for example; the partial file is deleted.
    """
    partial = path.with_name(f".{path.name}.{owner}.partial" if owner else f".{path.name}.partial")
    try:
        yield partial
        with open(partial, "rb") as file:
            os.fsync(file.fileno())
        os.replace(partial, path)
    except BaseException:
        with suppress(OSError):
            partial.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Flush renames within ``folder`` to disk, so that they survive a power failure."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def digest(content: bytes) -> str:
    """Return the checksum of some bytes as 32 hexadecimal digits.

    >>> digest(b"jets")
    '4c215cdefd7a2a8e103fa12519886a96'
    """
    return hashlib.blake2b(content, digest_size=DIGEST_BYTES).hexdigest()


def file_digest(path: Path) -> str:
    """Return the checksum of a file's content as 32 hexadecimal digits."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, _hasher).hexdigest()


def folder_digests(folder: Path, but: Collection[str] = ()) -> dict[str, str]:
    """Return the checksums of a folder's files by name, without hidden files and those with the names ``but``."""
    names = sorted(path.name for path in folder.iterdir() if path.is_file() and not path.name.startswith("."))
    return {name: file_digest(folder / name) for name in names if name not in but}


def check_folder(folder: Path, digests: Mapping[str, str]) -> None:
    """Raise Damaged if a file of ``folder`` is missing or has another checksum.

    Files without an entry in ``digests`` are ignored.
    """
    for name, expected in digests.items():
        check_file(folder / name, expected)


def check_file(path: Path, expected: str | None) -> None:
    """Raise Damaged if a file is missing or its checksum is not the ``expected`` one."""
    if not path.is_file():
        raise Damaged(f"{path}: no such file")
    if file_digest(path) != expected:
        raise Damaged(f"{path}: damaged (its checksum is not that of what was written)")


def write_sealed(path: Path, write: Callable[[IO[bytes]], Any], owner: str = "") -> None:
    """Replace ``path`` by what ``write`` writes, followed by its checksum of 16 bytes.

    Readers of arrays (`numpy.load`) and of shared libraries ignore bytes after the end.
    """
    with replacing(path, owner) as partial:
        with open(partial, "wb") as file:
            write(file)
        seal(partial)


def seal(path: Path) -> None:
    """Append to a file the checksum of its content."""
    content = bytes.fromhex(file_digest(path))
    with open(path, "ab") as file:
        file.write(content)


def check_sealed(path: Path) -> None:
    """Raise Damaged unless a file ends with the checksum of its content; raise FileNotFoundError if it is missing."""
    hasher, left = _hasher(), path.stat().st_size - DIGEST_BYTES
    with open(path, "rb") as file:
        while left > 0 and (part := file.read(min(left, 1 << 20))):
            hasher.update(part)
            left -= len(part)
        if left or file.read() != hasher.digest():
            raise Damaged(f"{path}: damaged (its checksum is not that of what was written)")


def read_sealed(path: Path) -> bytes:
    """Return the content of a file that `write_sealed` wrote, without its checksum.

    Raises:
        Damaged: the content is not what was written.
        FileNotFoundError: there is no such file.
    """
    content = path.read_bytes()
    if bytes.fromhex(digest(content[:-DIGEST_BYTES])) != content[-DIGEST_BYTES:]:
        raise Damaged(f"{path}: damaged (its checksum is not that of what was written)")
    return content[:-DIGEST_BYTES]


def announce(line: str) -> None:
    """Log that something damaged is computed again; a study also shows the line on its screen."""
    logger.warning("%s", line)


@contextmanager
def announcements() -> Iterator[list[str]]:
    """Yield a list to which `announce` appends its lines in this process."""
    lines: list[str] = []
    handler = _Collector(lines)
    logger.addHandler(handler)
    try:
        yield lines
    finally:
        logger.removeHandler(handler)


class _Collector(logging.Handler):
    def __init__(self, lines: list[str]) -> None:
        super().__init__()
        self.lines = lines

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(record.getMessage())


def _hasher() -> Any:
    return hashlib.blake2b(digest_size=DIGEST_BYTES)
