"""Check that a folder is writable before a computation, find the cache folder, and recognise errors of a disk."""

from __future__ import annotations

import errno
import grp
import os
import pwd
import stat
from pathlib import Path


def check_writable(folder: Path, option: str) -> None:
    """Raise ValueError if a folder cannot be created or written to; nothing is written.

    Args:
        folder: folder to which files will be written.
        option: option with which the user named it, for the message.
    """
    try:
        there = next(path for path in (folder.absolute(), *folder.absolute().parents) if path.exists())
    except OSError as error:
        raise ValueError(f"{folder}: cannot be a folder ({error.strerror}); choose another {option}") from None
    if not there.is_dir():
        raise ValueError(f"{folder}: {there} is a file; choose another {option}")
    if not os.access(there, os.W_OK | os.X_OK):
        raise ValueError(f"{folder}: {there} is not writable; ask for permission, or choose another {option}")


def is_of_disk(error: BaseException) -> bool:
    """Return whether an error comes from a disk or a mount, and is not caused by the content of the file."""
    return isinstance(error, OSError) and error.errno in (errno.EIO, errno.ESTALE, errno.ENOTCONN)


def cache_folder(otherwise: Path) -> Path:
    """Return the user's cache folder; ``otherwise`` if it is not writable, or if others could change it.

    It is ``$XDG_CACHE_HOME/darkclr_ray``, by default ``~/.cache/darkclr_ray``.
    """
    try:
        folder = Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "darkclr_ray"
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        folder = folder.resolve(strict=True)
        own = folder.stat().st_uid == os.getuid() and all(map(only_ours, (folder, *folder.parents)))
    except (OSError, RuntimeError):  # RuntimeError: the user has no home directory
        return otherwise
    return folder if own and os.access(folder, os.W_OK) else otherwise


def only_ours(folder: Path) -> bool:
    """Return whether only this user and root can replace files of this user in a folder. Raises OSError.

    Others may write to it if it is sticky, as /tmp is, or through a group of which this user is the only member.
    """
    status = folder.stat()
    if status.st_uid not in (0, os.getuid()):
        return False
    if status.st_mode & stat.S_ISVTX:
        return True
    return not status.st_mode & stat.S_IWOTH and (not status.st_mode & stat.S_IWGRP or is_own_group(status.st_gid))


def is_own_group(number: int) -> bool:
    """Return whether a group is root's, or has this user's name and no other members."""
    if number == 0:
        return True
    try:
        group, name = grp.getgrgid(number), pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return False
    return group.gr_name == name and set(group.gr_mem) <= {name}
