"""Folder of a Ray that is started for one study: its location, token, logs and deletion."""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import tempfile
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from darkclr_ray.store.locks import Lock

PREFIX = "darkclr_ray-"
LONGEST_SOCKET = 107
"""Largest number of bytes in the path of a socket on Linux (unix(7))."""
LOCK = ".lock"
"""File that a process holds locked while it uses the folder of its own Ray."""


def own_token(folder: Path) -> Path | None:
    """Set a random token for a Ray that this process starts; return a file in ``folder`` that contains it.

    Without a token in its environment, Ray would write one to the home folder, which may not be writable. The file is
    for people, and only its owner may read it. None is returned if the environment says how Ray is to authenticate. The
    token stays in the environment: Ray remembers the token of a process, which all later children must have, too.
    """
    names = ("RAY_AUTH_MODE", "RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH")
    if os.environ.get("RAY_AUTH_TOKEN") != token_of_process() and any(name in os.environ for name in names):
        return None
    path = folder / "token"
    path.touch(mode=0o600)
    path.write_text(token_of_process(), encoding="utf-8")
    os.environ["RAY_AUTH_TOKEN"] = token_of_process()
    return path


@cache
def token_of_process() -> str:
    """Return a random token, always the same one in a process, since Ray reads the token of a process only once."""
    return secrets.token_hex(32)


@contextlib.contextmanager
def private_folder(note: Path | None = None) -> Iterator[Path]:
    """Make a folder that only its owner may enter, for one's own Ray; delete it at the end of the context.

    Args:
        note: file that records the folder. The folder that a killed process recorded there is deleted first, unless a
            process uses it: a study may be copied, together with its note, while it runs.
    """
    place = socket_folder()
    if note is not None and note.exists():
        delete_unused(Path(note.read_text(encoding="utf-8")), place)
    folder = Path(tempfile.mkdtemp(prefix=PREFIX, dir=place))
    try:
        with Lock(folder / LOCK) as lock:
            lock.acquire()
            if note is not None:
                note.write_text(str(folder), encoding="utf-8")
            yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        if note is not None:
            with contextlib.suppress(OSError):
                note.unlink(missing_ok=True)


def delete_unused(folder: Path, place: Path) -> None:
    """Delete a folder for Ray in ``place`` whose process has ended; leave any other folder as it is."""
    if not folder.name.startswith(PREFIX) or folder.parent != place or folder.is_symlink() or not folder.is_dir():
        return
    if folder.stat().st_uid != os.getuid():
        return
    with Lock(folder / LOCK) as lock, contextlib.suppress(OSError):
        if lock.acquire():
            shutil.rmtree(folder, ignore_errors=True)


def socket_folder() -> Path:
    """Return the parent of Ray's folder: RAY_TMPDIR or TMPDIR, or /tmp if that is too long for Ray's sockets."""
    place = Path(os.environ.get("RAY_TMPDIR") or tempfile.gettempdir()).absolute()
    session = place / f"{PREFIX}12345678" / "ray" / "session_2026-01-01_00-00-00_123456_1234567"
    longest = session / "sockets" / "plasma_store"
    return place if len(os.fsencode(longest)) <= LONGEST_SOCKET else Path("/tmp")


def keep_logs(temporary: Path, logs: Path) -> None:
    """Copy what Ray wrote, in place of what an earlier run left; symbolic links are left out."""

    def left_out(folder: str, names: list[str]) -> set[str]:
        return {name for name in names if name == "old" or not is_own(Path(folder) / name)}

    for session in temporary.glob("session_2*"):
        if session.is_symlink() or (session / "logs").is_symlink():
            continue
        with contextlib.suppress(OSError):
            shutil.rmtree(logs, ignore_errors=True)
            shutil.copytree(session / "logs", logs, ignore=left_out)


def is_own(path: Path) -> bool:
    """Return whether a path is a regular file or a folder itself: no symbolic link, socket or pipe."""
    return not path.is_symlink() and (path.is_file() or path.is_dir())
