"""Locks that a killed process cannot leave behind.

A lock is `flock` on a file that names its owner. The kernel frees it when the owner ends, however it ends, so nothing
has to be timed. It holds between the nodes of a cluster where the shared folder is NFS 4 or a cluster file system;
there a lock of a node that vanished is freed when the server gives the node up (about 90 s). Folders mounted from an
object store know no locks, or none that other nodes see: a study refuses the first, and with the second two nodes may
compute the same stage, and the first to finish wins.
"""

from __future__ import annotations

import fcntl
import json
import os
import socket
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import IO, Self


class Lock:
    """A lock between processes, held from `acquire` to `release` or the end of the process.

    Args:
        path: of the lock's file; it stays there.
        owner: who asks, for those who find it held.
    """

    def __init__(self, path: Path, owner: str = "") -> None:
        self.path, self.owner = path, owner
        self._file: IO[str] | None = None

    def acquire(self) -> bool:
        """Take the lock if it is free, without waiting; whether this lock is held now.

        Raises OSError where the file system knows no locks, or has no room to name the owner.
        """
        if self._file is not None:
            return True
        self.path.parent.mkdir(parents=True, exist_ok=True)
        file = open(self.path, "a+", encoding="utf-8")  # noqa: SIM115
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            file.truncate(0)
            file.write(json.dumps({"host": socket.gethostname(), "pid": os.getpid(), "owner": self.owner}))
            file.flush()
        except OSError as error:
            with suppress(OSError):  # what could not be written is tried once more
                file.close()
            if isinstance(error, BlockingIOError):
                return False
            raise
        self._file = file
        return True

    def release(self) -> None:
        """Free the lock."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def holder(self) -> str:
        """Who holds the lock, or held it last, in words."""
        try:
            who = json.loads(self.path.read_text(encoding="utf-8"))
            return f"process {who['pid']} on {who['host']}" + (f" ({who['owner']})" if who["owner"] else "")
        except (OSError, ValueError, KeyError):
            return "another process"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()
