"""Machines of their own, as far as Linux has namespaces for it: nothing but a folder and a network joins them.

Each host has its own processes, network, /tmp and shared memory. The shared folder is /mnt on all of them; the software
is the same, as an image would have it. Only root can do this.
"""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path

SETUP = """
mount --make-rprivate / && mount --bind "$1" /mnt && mount -t tmpfs tmp /tmp && mount -t tmpfs shm /dev/shm
ip link set lo up && hostname "$2" && echo ready
while :; do sleep 1; done # whoever is first of its processes buries the dead ones
"""


def privileged() -> bool:
    """Whether hosts can be made here."""
    if os.geteuid() != 0:
        return False
    try:
        subprocess.run(
            ["unshare", "--net", "--mount", "--pid", "--fork", "ip", "link"], check=True, capture_output=True
        )
    except (OSError, subprocess.CalledProcessError):
        return False
    return True


class Host:
    """One of them: `command` makes a command that runs there."""

    def __init__(self, name: str, shared: Path, address: str) -> None:
        self.name, self.address = name, address
        spaces = ["--net", "--mount", "--pid", "--uts", "--ipc", "--fork", "--mount-proc", "--kill-child"]
        self.first = subprocess.Popen(
            ["setpriv", "--pdeathsig", "KILL", "unshare", *spaces, "sh", "-c", SETUP, "sh", str(shared), name],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        assert self.first.stdout is not None
        with self.first.stdout as said:
            assert said.readline() == "ready\n"
        self.init = int(Path(f"/proc/{self.first.pid}/task/{self.first.pid}/children").read_text())

    def command(self, *words: str) -> list[str]:
        return ["nsenter", "--target", str(self.init), "--net", "--mount", "--pid", "--uts", "--ipc", "--", *words]

    def net(self, *words: str) -> None:
        """Run `ip` on the host's network."""
        subprocess.run(["nsenter", "--target", str(self.init), "--net", "--", "ip", *words], check=True)

    def power_cut(self) -> None:
        """Everything on it ends at once."""
        os.kill(self.init, signal.SIGKILL)
        self.first.wait()
