"""Another process fills the memory beside a study: one sentence, nothing that hangs, and the same results later."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from .conftest import EPOCHS
from .nodes import Nodes
from .study_run import StudyRun, gone, same

pytestmark = pytest.mark.slow

SENTENCE = re.compile(r"memory ran out on node [\d.]+ \([\d.]+ of [\d.]+ GB in use\): Ray killed .*")
GB = 2**30


def memory() -> tuple[int, int]:
    """Bytes of this machine's memory: in total, and in use."""
    facts = dict(line.split(":") for line in Path("/proc/meminfo").read_text().splitlines())
    total, available = (int(facts[name].split()[0]) * 1024 for name in ("MemTotal", "MemAvailable"))
    return total, total - available


def threshold(room: float) -> float:
    """Fraction of the memory at which Ray kills processes, if ``room`` GB more than now may be used."""
    total, used = memory()
    if used + (room + 1.5) * GB > 0.95 * total:
        pytest.skip("the memory of this machine is full")
    return (used + room * GB) / total


@contextmanager
def filled(fraction: float) -> Iterator[None]:
    """Another process holds so much that the fraction of the memory is exceeded by a GB."""
    total, used = memory()
    size = max(0, int(fraction * total - used)) + GB
    program = f"taken = b'x' * {size}; print('full', flush=True); input()"
    with subprocess.Popen([sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == b"full\n"
            yield
        finally:
            process.kill()


def check(run: StudyRun) -> None:
    """A sentence with who was killed and the memory; no report of Ray, and no traceback."""
    screen = run.screen()
    assert SENTENCE.search(screen), screen
    assert "Traceback" not in screen
    assert not re.search(r"Top 10 memory users|Eviction Stats|Considered workers", screen)
    assert max(map(len, screen.splitlines())) < 1000


def test_memory_that_another_process_fills(run: StudyRun, undisturbed: StudyRun, witness: Any) -> None:
    fraction = threshold(6.0)
    run.environment["RAY_memory_usage_threshold"] = f"{fraction:.4f}"
    run.start()
    run.until_checkpoint()
    processes = run.family()
    with filled(fraction):
        status = run.wait(400.0)
    check(run)
    assert status == 1
    assert "To continue:" in run.screen()
    assert gone(processes)
    del run.environment["RAY_memory_usage_threshold"]
    with witness("memory that another process fills, then the same command", run, "pauses; complete, same scores"):
        run.start()
    run.finish()
    same(run, undisturbed)


def test_memory_that_another_process_fills_on_one_of_two_nodes(
    run: StudyRun, undisturbed_longer: StudyRun, monkeypatch: pytest.MonkeyPatch, witness: Any
) -> None:
    """The training goes on at the other node, or the study pauses and is continued there."""
    fraction = threshold(6.0)
    monkeypatch.setenv("RAY_memory_monitor_refresh_ms", "0")
    nodes = Nodes(2)
    try:
        monkeypatch.setenv("RAY_memory_monitor_refresh_ms", "250")
        monkeypatch.setenv("RAY_memory_usage_threshold", f"{fraction:.4f}")
        nodes.add()
        run.options |= EPOCHS | {"--compute.cpus_per_worker": "1", "--address": nodes.address}
        run.start()
        run.until_checkpoint()
        with filled(fraction):
            with witness("memory that another process fills on one of three nodes", run):
                pass
            status = run.wait(400.0)
        if status == 1:
            check(run)
            run.start()
            run.finish()
        assert run.process is not None
        assert run.process.returncode == 0
        assert "Top 10 memory users" not in run.screen()
        same(run, undisturbed_longer)
    finally:
        run.end()
        nodes.shutdown()
