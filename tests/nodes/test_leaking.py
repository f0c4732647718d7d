"""A trial that takes more and more memory."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from pathlib import Path
from typing import Any

import pytest

from .study_run import StudyRun

pytestmark = pytest.mark.slow

LEAK = '''"""An objective that takes memory until its process is killed, as long as {stop} is not there."""

from pathlib import Path


def objective(objective_input):
    taken = []
    while not Path({stop!r}).exists():
        taken.append(b"x" * 2**26)
    return 1.0
'''


@pytest.mark.skipif(os.geteuid() != 0, reason="limiting a group of processes wants root")
def test_a_trial_that_leaks_memory_until_it_is_killed(run: StudyRun, tmp_path: Path, witness: Any) -> None:
    group = Path("/sys/fs/cgroup/memory") / f"darkclr-{os.getpid()}"
    if not (group.parent / "memory.limit_in_bytes").exists():
        pytest.skip("limiting the memory of a group of processes wants cgroups of version 1 here")
    group.mkdir()
    (group / "memory.limit_in_bytes").write_text(str(5 * 2**30))
    stop = tmp_path / "stop"
    (tmp_path / "leak.py").write_text(LEAK.format(stop=str(stop)))
    run.script = ["sh", "-c", f'echo $$ > {group}/cgroup.procs && exec "$@"', "sh", *run.script]
    run.environment |= {"PYTHONPATH": str(tmp_path)}
    run.options |= {"--search.objective": "leak:objective", "--compute.worker_failures": "1"}
    try:
        run.start()
        run.until(lambda: list(run.folder.glob("stages/scores/*/scores.parquet")))
        with witness("a trial that leaks until it is killed", run, "that trial fails, the study goes on"):
            run.until(run.trials)
            stop.touch()
        run.finish()
        assert [trial["state"] for trial in run.trials()] == ["FAIL", "COMPLETE", "COMPLETE"]
        assert "workers were lost" in str(run.trials()[0]["reason"])
    finally:
        remove(group)


def remove(group: Path, limit: float = 60.0) -> None:
    """A group of processes, which goes once none is left in it."""
    end = time.monotonic() + limit
    while group.exists():
        for pid in (group / "cgroup.procs").read_text().split():
            with contextlib.suppress(ProcessLookupError):
                os.kill(int(pid), signal.SIGKILL)
        with contextlib.suppress(OSError):
            group.rmdir()
        assert time.monotonic() < end, f"{group} is still in use"
        time.sleep(0.5)
