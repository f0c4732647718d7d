"""Machines of their own, as far as Linux has namespaces for it: nothing but a folder and a network joins them.

Each host has its own processes, network, /tmp and shared memory. The shared folder is /mnt on all of them; the software
is the same, as an image would have it. Only root can do this.
"""

from __future__ import annotations

import itertools
import os
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

SHARED = Path("/mnt")
PORT = 6379
RAY = str(Path(sys.executable).with_name("ray"))
ENVIRONMENT = {
    "RAY_AUTH_MODE": "token",
    "RAY_AUTH_TOKEN": secrets.token_hex(32),
    "RAY_USAGE_STATS_ENABLED": "0",
    "OMP_NUM_THREADS": "1",
}

SETUP = """
mount --make-rprivate / && mount --bind "$1" /mnt && mount -t tmpfs tmp /tmp && mount -t tmpfs shm /dev/shm
ip link set lo up && hostname "$2" && echo ready
while :; do sleep 1; done # whoever is first of its processes buries the dead ones
"""


def in_tmp() -> bool:
    """Whether this code or this Python is in /tmp, of which each host has its own."""
    return any(path.is_relative_to("/tmp") for path in (Path(__file__).resolve(), Path(sys.prefix).resolve()))


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
        self.ray: subprocess.Popen[bytes] | None = None

    def command(self, *words: str) -> list[str]:
        return ["nsenter", "--target", str(self.init), "--net", "--mount", "--pid", "--uts", "--ipc", "--", *words]

    def net(self, *words: str) -> None:
        """Run `ip` on the host's network."""
        subprocess.run(["nsenter", "--target", str(self.init), "--net", "--", "ip", *words], check=True)

    def start_ray(self, *options: str) -> None:
        words = [
            RAY,
            "start",
            f"--node-ip-address={self.address}",
            "--object-store-memory=200000000",
            *options,
            "--block",
        ]
        self.ray = subprocess.Popen(
            self.command(*words), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=os.environ | ENVIRONMENT
        )

    def processes(self) -> set[int]:
        space = os.stat(f"/proc/{self.init}/ns/pid").st_ino
        found = set()
        for path in Path("/proc").iterdir():
            try:
                if path.name.isdigit() and os.stat(path / "ns" / "pid").st_ino == space:
                    found.add(int(path.name))
            except OSError:
                continue
        return found

    def power_cut(self) -> None:
        """Everything on it ends at once."""
        os.kill(self.init, signal.SIGKILL)
        self.first.wait()
        if self.ray is not None:
            self.ray.wait()


class Hosts:
    """A head without CPUs and hosts of one CPU each, on one switch."""

    def __init__(self, shared: Path) -> None:
        self.shared = shared
        self.switch = Host("switch", shared, "")
        self.switch.net("link", "add", "switch", "type", "bridge")
        self.switch.net("link", "set", "switch", "up")
        self.hosts: list[Host] = []
        self.numbers = itertools.count(1)
        self.head = self.add("head")

    def start(self) -> None:
        """Ray's head is there."""
        self.head.start_ray("--head", f"--port={PORT}", "--num-cpus=0", "--dashboard-host=127.0.0.1")
        self.until(lambda: self.head.address in self.alive())

    @property
    def address(self) -> str:
        return f"{self.head.address}:{PORT}"

    def add(self, name: str) -> Host:
        """A host on the network; it sees the folder."""
        number = next(self.numbers)
        host = Host(name, self.shared, f"10.77.0.{number}")
        here, there = f"p{number}", "eth0"
        self.switch.net("link", "add", here, "type", "veth", "peer", "name", there, "netns", str(host.init))
        self.switch.net("link", "set", here, "master", "switch", "up")
        host.net("address", "add", f"{host.address}/24", "dev", there)
        host.net("link", "set", there, "up")
        self.hosts.append(host)
        return host

    def join(self, name: str) -> Host:
        """A host of one CPU that joins the cluster."""
        host = self.add(name)
        self.joins(host)
        return host

    def joins(self, host: Host) -> None:
        """A host joins the cluster; returns when Ray knows it."""
        host.start_ray(f"--address={self.address}", "--num-cpus=1")
        self.until(lambda: host.address in self.alive())

    def lose(self, host: Host) -> None:
        """A power cut; returns when Ray knows."""
        self.hosts.remove(host)
        host.power_cut()
        self.until(lambda: host.address not in self.alive())

    def alive(self) -> set[str]:
        """Addresses of the nodes that Ray has; none as long as it does not answer."""
        code = f"""if True:
            import ray
            ray.init({self.address!r}, log_to_driver=False)
            print(*(node["NodeManagerAddress"] for node in ray.nodes() if node["Alive"]))
        """
        command = self.head.command(sys.executable, "-c", code)
        done = subprocess.run(command, capture_output=True, text=True, env=os.environ | ENVIRONMENT)
        return set() if done.returncode else set(done.stdout.splitlines()[-1].split())

    def until(self, what: Callable[[], bool], limit: float = 120.0) -> None:
        end = time.monotonic() + limit
        while not what():
            assert time.monotonic() < end
            time.sleep(1.0)

    def shutdown(self) -> None:
        for host in [*self.hosts, self.switch]:
            host.power_cut()
