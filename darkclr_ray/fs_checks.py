"""Whether a folder can receive files, found out before anything is computed for it; and whose fault an error is."""

from __future__ import annotations

import errno
import os
from pathlib import Path


def check_writable(folder: Path, option: str) -> None:
    """Raise ValueError where a folder is not there and cannot be made, or cannot be written in; nothing is written.

    Args:
        folder: that is to receive files.
        option: how the user named it, for the message.
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
    """Whether an error is that of a disk or a mount, and says nothing of the file that was read."""
    return isinstance(error, OSError) and error.errno in (errno.EIO, errno.ESTALE, errno.ENOTCONN)
