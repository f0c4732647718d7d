"""Clusters that somebody else started and that cannot be joined: one clear message each, and nothing written."""

from __future__ import annotations

import os
import secrets
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import ray

from .nodes import free_port
from .study_run import ROOT, StudyRun, family

pytestmark = pytest.mark.slow

RAY = str(Path(sys.executable).with_name("ray"))


class Head:
    """A cluster of one node, as an operator starts it.

    Args:
        environment: what decides on tokens.
    """

    def __init__(self, environment: dict[str, str]) -> None:
        self.environment = {name: value for name, value in os.environ.items() if not name.startswith("RAY_AUTH")}
        self.environment |= {"RAY_USAGE_STATS_ENABLED": "0", **environment}
        self.port, self.dashboard, self.client = free_port(), free_port(), free_port()
        self.folder = tempfile.mkdtemp(prefix="head-")  # a short name: sockets are in it
        words = ["--head", f"--port={self.port}", f"--dashboard-port={self.dashboard}", "--num-cpus=2", "--block"]
        words += [f"--ray-client-server-port={self.client}", "--object-store-memory=200000000"]
        words += [f"--temp-dir={self.folder}"]
        self.process = subprocess.Popen(
            [RAY, "start", *words],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env=self.environment,
            start_new_session=True,
        )
        end = time.monotonic() + 120
        while self.ray("health-check", "--address", self.address).returncode and time.monotonic() < end:
            time.sleep(0.5)

    @property
    def address(self) -> str:
        return f"{ray.util.get_node_ip_address()}:{self.port}"

    def ray(self, *words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run([RAY, *words], capture_output=True, text=True, env=self.environment)

    def stop(self) -> None:
        for pid in family(self.process.pid):
            try:
                os.kill(pid, 9)
            except ProcessLookupError:
                continue
        self.process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)


TOKEN = secrets.token_hex(32)
WITH_TOKEN = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": TOKEN}


@pytest.fixture(scope="module")
def guarded() -> Iterator[Head]:
    head = Head(WITH_TOKEN)
    yield head
    head.stop()


def refused(run: StudyRun, *words: str) -> None:
    """One message, nothing written."""
    run.start()
    run.finish(2)
    for word in words:
        assert word in run.screen()
    assert run.screen().count("\n") == 1, run.screen()
    assert not run.folder.exists()


@pytest.mark.parametrize("token", [secrets.token_hex(32), None], ids=["another token", "no token"])
def test_a_cluster_wants_another_token(token: str | None, run: StudyRun, guarded: Head) -> None:
    run.options["--address"] = guarded.address
    run.environment = guarded.environment | {"HOME": str(run.folder.parent.parent)}
    run.environment |= {"RAY_AUTH_TOKEN": token} if token else {"RAY_AUTH_MODE": "disabled"}
    if not token:
        del run.environment["RAY_AUTH_TOKEN"]
    refused(run, f"--address {guarded.address}: ", "wants another token")
    assert not token or token not in run.screen()


def test_nobody_at_the_address(run: StudyRun) -> None:
    run.options["--address"] = f"127.0.0.1:{free_port()}"
    refused(run, "is the head running, and can it be reached from here?")


def test_generation_says_it_alike(tmp_path: Path) -> None:
    address = f"127.0.0.1:{free_port()}"
    command = [sys.executable, str(ROOT / "studies" / "generate_jets.py"), "--out", str(tmp_path / "jets")]
    done = subprocess.run([*command, "--address", address], capture_output=True, text=True)
    assert done.returncode == 2
    assert f"--address {address}: " in done.stderr
    assert "Traceback" not in done.stderr
    assert not any((tmp_path / "jets").rglob("*.parquet"))
