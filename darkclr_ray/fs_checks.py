"""Check that a folder is writable before a computation, and whether an error comes from the file system."""

from __future__ import annotations

import errno
import os
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
