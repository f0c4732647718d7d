"""Crews of real workers, sent home in the middle of a job."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import ray

from darkclr_ray.crews.crews import Crews
from darkclr_ray.crews.loop import Place
from darkclr_ray.crews.resources import Node, allocate
from darkclr_ray.settings import ComputeSettings

SOMEBODY_ELSE = """
import sys, ray
ray.init(address="local", num_cpus=1, object_store_memory=10**8, include_dashboard=False)
print("up", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def another_ray() -> Iterator[None]:
    """That of somebody else on the same machine."""
    command = [sys.executable, "-c", SOMEBODY_ELSE]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert "up\n" in iter(process.stdout.readline, "")
        yield
        process.communicate()


@pytest.mark.slow
@pytest.mark.usefixtures("ray_session", "another_ray")
def test_abandoned_crews_let_go_of_ray(tmp_path: Path) -> None:
    """A thread that still waits for its crew when Ray ends would take the whole process with it."""

    def work(payload: Any, place: Place) -> dict[str, Any]:
        time.sleep(1000)
        return {}

    compute = ComputeSettings(cpus_per_worker=0.5, concurrent_trials=1)
    crews = Crews(allocate(compute, 1, [Node(2)]), work, tmp_path, failures=0)
    ray.get(crews.desk.submit.remote("endless", None))
    while not ray.get(crews.desk.taken.remote()):
        crews.check()
        time.sleep(0.1)
    crews.abandon()
    assert not [thread.name for thread in threading.enumerate() if thread.name.startswith("crew-")]
