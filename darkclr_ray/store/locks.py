"""Locks between processes, which the kernel frees when their process ends.

A lock is `flock` on a file that names its owner. The kernel frees it when the owner ends for any reason, so no timeout
is needed. The lock holds between the nodes of a cluster if the shared folder is on NFS 4 or a cluster file system;
there the lock of a lost node is freed when the server's lease for that node expires (about 90 s). Folders mounted from
an object store support no locks, or only locks that other nodes do not see. A study refuses a folder without locks.
With locks that other nodes do not see, two nodes may compute the same stage, and the result that is finished first is
kept.
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
        path: path of the lock's file, which is never deleted.
        owner: description of the owner, which `holder` shows to other processes.
    """

    def __init__(self, path: Path, owner: str = "") -> None:
        self.path, self.owner = path, owner
        self._file: IO[str] | None = None

    def acquire(self) -> bool:
        """Take the lock if it is free, without waiting, and return whether this object holds it.

        Raises OSError if the file system does not support locks, or is too full to record the owner.
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
            with suppress(OSError):  # closing tries once more to write the buffered text
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
        """Return a description of the process that holds the lock, or held it last."""
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
