"""A whole study through its script: killed, stopped, disturbed; each ends with the scores of an undisturbed one."""

from __future__ import annotations

import contextlib
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
TRIALS = 3


class Run:
    """One run of the script."""

    def __init__(self, out: Path, jets: Path, options: list[str]) -> None:
        self.folder = out / "scan"
        self.command = [
            sys.executable,
            str(ROOT / "studies" / "embedding_scan.py"),
            "--name",
            "scan",
            "--out",
            str(out),
        ]
        self.command += ["--jets", str(jets), "--trials", str(TRIALS), "--search.prune", "false", *options]
        self.command += ["--compute.concurrent_trials", "1"]
        self.log = out / "screen.log"
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with open(self.log, "ab") as screen:
            self.process = subprocess.Popen(
                self.command, stdout=screen, stderr=subprocess.STDOUT, start_new_session=True
            )

    def wait(self, limit: float = 240.0) -> int:
        assert self.process is not None
        return self.process.wait(limit)

    def until(self, what: Callable[[], object], limit: float = 120.0) -> None:
        assert self.process is not None
        end = time.monotonic() + limit
        while not what():
            assert self.process.poll() is None, self.screen()
            assert time.monotonic() < end, self.screen()
            time.sleep(0.02)

    def screen(self) -> str:
        return self.log.read_text()

    def trials(self) -> list[dict[str, object]]:
        return [json.loads(path.read_text()) for path in sorted((self.folder / "trials").glob("*.json"))]

    def scores(self) -> list[bytes]:
        found = []
        for trial in self.trials():
            stages = trial["stages"]
            assert isinstance(stages, dict)
            found.append((self.folder / "stages" / "scores" / stages["scores"] / "scores.parquet").read_bytes())
        return found

    def family(self) -> set[int]:
        """This process and all that descend from it."""
        assert self.process is not None
        family = {self.process.pid}
        while True:
            more = {
                int(path.name) for path in Path("/proc").iterdir() if path.name.isdigit() and parent(path) in family
            }
            if more <= family:
                return family
            family |= more

    def named(self, *names: bytes) -> set[int]:
        """Those of the family whose command line has one of the names in it."""
        found = set()
        for pid in self.family():
            with contextlib.suppress(OSError):
                line = (Path("/proc") / str(pid) / "cmdline").read_bytes()
                if any(name in line for name in names):
                    found.add(pid)
        return found

    def worker(self) -> int | None:
        """A training worker."""
        return min(self.named(b"RayTrainWorker"), default=None)

    def agents(self) -> set[int]:
        """Ray's agents try to tell the head of its death for a minute before they go."""
        return self.named(b"ray::DashboardAgent", b"ray::RuntimeEnvAgent")


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


def gone(pids: set[int], limit: float = 30.0) -> bool:
    end = time.monotonic() + limit
    while alive(pids) and time.monotonic() < end:
        time.sleep(0.2)
    return not alive(pids)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory, jet_folder: Path, tiny_options: list[str]) -> Run:
    run = Run(tmp_path_factory.mktemp("undisturbed"), jet_folder, tiny_options)
    run.start()
    assert run.wait() == 0, run.screen()
    assert [trial["state"] for trial in run.trials()] == ["COMPLETE"] * TRIALS
    return run


@pytest.fixture
def run(tmp_path: Path, jet_folder: Path, tiny_options: list[str]) -> Iterator[Run]:
    run = Run(tmp_path, jet_folder, tiny_options)
    yield run
    if run.process is not None and run.process.poll() is None:
        for pid in run.family():
            os.kill(pid, signal.SIGKILL)
        run.process.wait()


def same(run: Run, undisturbed: Run) -> None:
    assert [trial["state"] for trial in run.trials()] == ["COMPLETE"] * TRIALS, run.screen()
    assert [trial["parameters"] for trial in run.trials()] == [trial["parameters"] for trial in undisturbed.trials()]
    assert run.scores() == undisturbed.scores()
    assert (run.folder / "report" / "index.html").stat().st_size > 10000


def test_a_finished_study_trains_nothing(undisturbed: Run) -> None:
    before = {path: path.stat().st_mtime_ns for path in (undisturbed.folder / "stages").rglob("*")}
    undisturbed.start()
    assert undisturbed.wait(60) == 0, undisturbed.screen()
    assert undisturbed.screen().rstrip().endswith("report/index.html")
    assert {path: path.stat().st_mtime_ns for path in (undisturbed.folder / "stages").rglob("*")} == before


def test_the_driver_killed_again_and_again(run: Run, undisturbed: Run) -> None:
    seed = random.randrange(2**32)
    print(f"seed {seed}")
    chance = random.Random(seed)
    moments: list[Callable[[], object]] = [
        lambda: list(run.folder.glob("stages/representation/*.partial/checkpoint.pt")),
        lambda: list(run.folder.glob("stages/energy/*.partial/checkpoint.pt")),
        lambda: list(run.folder.glob("stages/scores/*")),
        lambda: list(run.folder.glob("trials/0001.json")),
    ]
    for moment in moments:
        run.start()
        run.until(moment)
        time.sleep(chance.uniform(0.0, 0.3))
        family = run.family() - run.agents()
        assert run.process is not None
        os.kill(run.process.pid, signal.SIGKILL)
        run.process.wait()
        assert gone(family), "Ray outlived its driver"
    run.start()
    assert run.wait() == 0, run.screen()
    same(run, undisturbed)


def test_a_training_worker_killed_in_the_middle(run: Run, undisturbed: Run) -> None:
    run.start()
    for kind in ("representation", "energy"):
        pattern = f"stages/{kind}/*.partial/checkpoint.pt"
        run.until(lambda pattern=pattern: list(run.folder.glob(pattern)))  # type: ignore[misc]
        worker = run.worker()
        assert worker is not None
        os.kill(worker, signal.SIGKILL)
        gone({worker})
    assert run.wait() == 0, run.screen()
    same(run, undisturbed)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_stopped_once_it_says_how_to_go_on(run: Run, undisturbed: Run, number: signal.Signals) -> None:
    run.start()
    run.until(lambda: list(run.folder.glob("stages/representation/*.partial/checkpoint.pt")))
    family = run.family()
    assert run.process is not None
    run.process.send_signal(number)
    assert run.wait(90) == 130, run.screen()
    assert "To continue:" in run.screen()
    assert "--name scan" in run.screen()
    assert gone(family)
    run.start()
    assert run.wait() == 0, run.screen()
    same(run, undisturbed)


def test_stopped_twice_it_stops_at_once(run: Run) -> None:
    run.start()
    run.until(lambda: list(run.folder.glob("stages/representation/*.partial/checkpoint.pt")))
    family = run.family()
    assert run.process is not None
    run.process.send_signal(signal.SIGINT)
    time.sleep(0.05)
    run.process.send_signal(signal.SIGINT)
    assert run.wait(30) == 130, run.screen()
    assert "Traceback" not in run.screen()
    assert gone(family)


def test_two_at_the_same_study(run: Run) -> None:
    run.start()
    run.until(lambda: (run.folder / "study.json").exists())
    second = subprocess.run(run.command, capture_output=True, text=True, timeout=60)
    assert second.returncode == 2
    assert run.process is not None
    assert f"being used by process {run.process.pid}" in second.stderr
    assert "Traceback" not in second.stderr


def test_a_training_that_diverges_fails_alone(run: Run) -> None:
    run.command += ["--search.step_size", "1000,10000", "--nae.steps", "40", "--trials", "2"]
    run.start()
    assert run.wait() == 1, run.screen()
    assert [trial["state"] for trial in run.trials()] == ["FAIL"] * 2
    assert "Langevin" in str(run.trials()[0]["reason"])
    assert "no trial was completed" in run.screen()
    assert "Traceback" not in run.screen()


def test_a_trial_that_stands_still_is_ended(run: Run) -> None:
    run.command += ["--compute.stall_limit", "5", "--trials", "1", "--contrastive.epochs", "400"]
    run.start()
    run.until(lambda: list(run.folder.glob("stages/representation/*.partial/checkpoint.pt")))
    worker = run.worker()
    assert worker is not None
    os.kill(worker, signal.SIGSTOP)
    assert run.wait() == 1, run.screen()
    assert "no progress for 5 s" in str(run.trials()[0]["reason"])
