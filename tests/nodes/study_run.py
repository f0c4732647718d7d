"""One study through its script, and what a test has to know of its processes."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
TRIALS = 3


class StudyRun:
    """One run of the script, and those that continue it.

    Args:
        out: for the study's folder and what was on the screen, as this process sees it.
        jets: folder of the jets.
        options: of the script, name and value in turn.
        prefix: a command that runs the script somewhere else.
        there: the folder ``out`` as it is called where the script runs.
    """

    def __init__(
        self, out: Path, jets: Path, options: Sequence[str], prefix: Sequence[str] = (), there: Path | None = None
    ) -> None:
        self.folder = out / "scan"
        self.script = [*prefix, sys.executable, str(ROOT / "studies" / "embedding_scan.py")]
        self.options = {"--name": "scan", "--out": str(there or out), "--jets": str(jets), "--trials": str(TRIALS)}
        self.options |= {"--search.prune": "false", "--compute.concurrent_trials": "1"}
        self.options |= dict(zip(options[::2], options[1::2], strict=True))
        self.log = out.parent / f"{out.name}.log"
        self.environment = dict(os.environ)
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def command(self) -> list[str]:
        return [*self.script, *(word for option in self.options.items() for word in option)]

    def start(self) -> None:
        with open(self.log, "ab") as screen:
            self.process = subprocess.Popen(
                self.command, stdout=screen, stderr=subprocess.STDOUT, start_new_session=True, env=self.environment
            )

    def wait(self, limit: float = 300.0) -> int:
        assert self.process is not None
        return self.process.wait(limit)

    def finish(self, status: int = 0) -> None:
        ended = self.wait()
        assert ended == status, f"exit status {ended}\n{self.screen()}"

    def until(self, what: Callable[[], object], limit: float = 240.0) -> None:
        assert self.process is not None
        end = time.monotonic() + limit
        while not what():
            assert self.process.poll() is None or what(), self.screen()
            assert time.monotonic() < end, self.screen()
            time.sleep(0.02)

    def until_checkpoint(self, kind: str = "representation") -> None:
        self.until(lambda: list(self.folder.glob(f"stages/{kind}/*.partial/checkpoint.pt")))

    def kill(self) -> None:
        """The driver, by SIGKILL."""
        assert self.process is not None
        os.kill(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def end(self) -> None:
        """Whatever still runs."""
        if self.process is not None and self.process.poll() is None:
            for pid in family(self.process.pid):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            self.process.wait()

    def screen(self) -> str:
        return self.log.read_text()

    def trials(self) -> list[dict[str, Any]]:
        return [json.loads(path.read_text()) for path in sorted((self.folder / "trials").glob("*.json"))]

    def scores(self) -> list[bytes]:
        hashes = [trial["stages"]["scores"] for trial in self.trials()]
        return [(self.folder / "stages" / "scores" / name / "scores.parquet").read_bytes() for name in hashes]

    def last_progress(self) -> float:
        """When the study last finished an epoch or a stage, as time.time() has it."""
        newest = 0.0
        for path in (self.folder / "stages").glob("*/*/*"):
            with contextlib.suppress(OSError):
                newest = max(newest, path.stat().st_mtime)
        return newest

    def family(self) -> set[int]:
        """The driver and all that descend from it."""
        assert self.process is not None
        return family(self.process.pid)

    def training_worker(self) -> int | None:
        return min(named(self.family(), b"RayTrainWorker"), default=None)

    def agents(self) -> set[int]:
        """Ray's agents try to tell the head of its death for a minute before they go."""
        return named(self.family(), b"ray::DashboardAgent", b"ray::RuntimeEnvAgent")


def same(run: StudyRun, undisturbed: StudyRun) -> None:
    """No trial lost or counted twice; the scores of an undisturbed study; a report."""
    assert [trial["number"] for trial in run.trials()] == list(range(TRIALS)), run.screen()
    assert [trial["state"] for trial in run.trials()] == ["COMPLETE"] * TRIALS, run.screen()
    assert [trial["parameters"] for trial in run.trials()] == [trial["parameters"] for trial in undisturbed.trials()]
    assert run.scores() == undisturbed.scores()
    assert (run.folder / "report" / "index.html").stat().st_size > 10000


def family(ancestor: int) -> set[int]:
    """A process and all that descend from it."""
    found = {ancestor}
    while True:
        more = {int(path.name) for path in Path("/proc").iterdir() if path.name.isdigit() and parent(path) in found}
        if more <= found:
            return found
        found |= more


def named(pids: set[int], *names: bytes) -> set[int]:
    """Those whose command line has one of the names in it."""
    found = set()
    for pid in pids:
        with contextlib.suppress(OSError):
            line = (Path("/proc") / str(pid) / "cmdline").read_bytes()
            if any(name in line for name in names):
                found.add(pid)
    return found


def parent(path: Path) -> int | None:
    try:
        return int((path / "stat").read_text().rpartition(")")[2].split()[1])
    except OSError:
        return None


def alive(pids: set[int]) -> set[int]:
    found = set()
    for pid in pids:
        try:
            state = (Path("/proc") / str(pid) / "stat").read_text().rpartition(")")[2].split()[0]
        except OSError:
            continue
        if state != "Z":
            found.add(pid)
    return found


def gone(pids: set[int], limit: float = 60.0) -> bool:
    end = time.monotonic() + limit
    while alive(pids) and time.monotonic() < end:
        time.sleep(0.2)
    return not alive(pids)


def listening(port: int) -> set[str]:
    """Addresses, as the kernel writes them, on which this machine listens at a port."""
    found = set()
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        for line in Path(table).read_text().splitlines()[1:]:
            _, local, _, state, *_ = line.split()
            address, number = local.split(":")
            if state == "0A" and int(number, 16) == port:
                found.add(address)
    return found
