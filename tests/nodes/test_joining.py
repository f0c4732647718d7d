"""Clusters that somebody else started and that cannot be joined: one clear message each, and nothing written."""

from __future__ import annotations

import json
import os
import platform
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
from .study_run import ROOT, StudyRun, family, same

pytestmark = pytest.mark.slow

RAY = str(Path(sys.executable).with_name("ray"))


class Head:
    """A cluster of one node, as an operator starts it.

    Args:
        environment: what decides on tokens.
        ray: the command; that of this environment, or of another.
    """

    def __init__(self, environment: dict[str, str], ray: str = RAY) -> None:
        self.command = ray
        self.environment = {name: value for name, value in os.environ.items() if not name.startswith("RAY_AUTH")}
        self.environment |= {"RAY_USAGE_STATS_ENABLED": "0", **environment}
        self.port, self.dashboard, self.client = free_port(), free_port(), free_port()
        self.folder = tempfile.mkdtemp(prefix="head-")  # a short name: sockets are in it
        words = ["--head", f"--port={self.port}", f"--dashboard-port={self.dashboard}", "--num-cpus=2", "--block"]
        words += [f"--ray-client-server-port={self.client}", "--object-store-memory=200000000"]
        words += [f"--dashboard-agent-listen-port={free_port()}", f"--temp-dir={self.folder}"]
        self.process = subprocess.Popen(
            [self.command, "start", *words],
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
        return subprocess.run([self.command, *words], capture_output=True, text=True, env=self.environment)

    def python(self, code: str) -> None:
        """Run something as a driver of this cluster."""
        subprocess.run([sys.executable, "-c", code], check=True, env=self.environment, stderr=subprocess.DEVNULL)

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


@pytest.fixture(scope="module")
def unguarded() -> Iterator[Head]:
    head = Head({"RAY_AUTH_MODE": "disabled"})
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
    refused(run, f"--address {guarded.address}: ", "requires another token")
    assert not token or token not in run.screen()


OTHERS = [command for command in os.environ.get("DARKCLR_OTHER_RAYS", "").split(":") if command]
"""Commands `ray` of other environments, with another Ray or another Python."""


@pytest.fixture(params=OTHERS)
def stranger(request: pytest.FixtureRequest) -> Iterator[tuple[Head, list[str]]]:
    """The head of a cluster of other versions, and which these are."""
    code = "import platform, ray; print(ray.__version__, platform.python_version())"
    python = Path(request.param).with_name("python")
    versions = subprocess.run([python, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    head = Head({"RAY_AUTH_MODE": "disabled"}, ray=request.param)
    yield head, versions
    head.stop()


@pytest.mark.skipif(not OTHERS, reason="DARKCLR_OTHER_RAYS names no `ray` command of another environment")
def test_a_cluster_of_another_version(stranger: tuple[Head, list[str]], run: StudyRun) -> None:
    head, (ray_there, python_there) = stranger
    run.options["--address"] = head.address
    run.environment = head.environment
    words = (f"--address {head.address}: ", "ersion mismatch", f"Ray: {ray_there}", f"Python: {python_there}")
    refused(run, *words)


@pytest.mark.parametrize(
    ("changed", "words"),
    [({"ray_version": "2.9.0"}, "Ray: 2.9.0"), ({"python_version": "3.10.2"}, "Python: 3.10.2")],
    ids=["another Ray", "another Python"],
)
def test_a_cluster_of_other_versions(changed: dict[str, str], words: str, run: StudyRun, unguarded: Head) -> None:
    """What the head says of itself is rewritten, for there may be no other environment here."""
    code = f"""if True:
        import json
        from ray._common.usage.usage_constants import CLUSTER_METADATA_KEY as key
        from ray._private.ray_constants import KV_NAMESPACE_CLUSTER as space
        from ray._raylet import GcsClient
        client = GcsClient(address={unguarded.address!r})
        known = json.loads(client.internal_kv_get(key, namespace=space))
        client.internal_kv_put(key, json.dumps(known | %s).encode(), True, namespace=space)
    """
    unguarded.python(code % json.dumps(changed))
    run.options["--address"] = unguarded.address
    run.environment = unguarded.environment
    try:
        refused(run, "ersion mismatch", words)
    finally:
        here = {"ray_version": ray.__version__, "python_version": platform.python_version()}
        unguarded.python(code % json.dumps(here))


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


@pytest.mark.parametrize("address", ["ray://127.0.0.1:10001", "http://127.0.0.1:8265"])
def test_an_address_for_other_programs(address: str, run: StudyRun) -> None:
    run.options["--address"] = address
    refused(run, f"--address {address}: give host:port", "ray job submit")


def test_a_study_by_the_variable_and_with_a_token(run: StudyRun, guarded: Head, undisturbed: StudyRun) -> None:
    run.environment = guarded.environment | {"RAY_ADDRESS": guarded.address}
    run.start()
    run.finish()
    same(run, undisturbed)
    for path in (path for path in run.folder.rglob("*") if path.is_file()):
        assert TOKEN.encode() not in path.read_bytes(), path
    assert TOKEN not in run.screen()


def test_a_study_as_a_job(run: StudyRun, unguarded: Head, undisturbed: StudyRun) -> None:
    there = ["--address", f"http://127.0.0.1:{unguarded.dashboard}"]
    end = time.monotonic() + 120
    while unguarded.ray("job", "submit", *there, "--", "true").returncode and time.monotonic() < end:
        time.sleep(1.0)  # dashboard and agent take their time
    submit = [RAY, "job", "submit", *there, "--"]
    run.script = [*submit, sys.executable, str(ROOT / "studies" / "embedding_scan.py")]
    run.options["--address"] = "auto"
    run.environment = unguarded.environment
    run.start()
    run.finish()
    same(run, undisturbed)
