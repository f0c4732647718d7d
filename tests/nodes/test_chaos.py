"""Random processes of a study killed at random times, again and again: every result is that of an undisturbed study.

One command runs as many rounds as it is told; a failed round is repeated with the seed that it prints:

    DARKCLR_CHAOS_ROUNDS=30 DARKCLR_CHAOS_SEED=17 pytest -m slow -s tests/nodes/test_chaos.py
"""

from __future__ import annotations

import contextlib
import os
import random
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ..study.conftest import jet_folder, tiny_options  # noqa: F401
from .conftest import finished
from .study_run import StudyRun, gone, named

pytestmark = pytest.mark.slow

ROUNDS = int(os.environ.get("DARKCLR_CHAOS_ROUNDS", "15"))
SEED = int(os.environ.get("DARKCLR_CHAOS_SEED", str(random.randrange(2**32))))

SEARCH = {
    "--trials": "10",
    "--search.prune": "true",
    "--search.delay": "2",
    "--compute.concurrent_trials": "2",
    "--contrastive.epochs": "12",
}
"""Two trials at a time, of which pairs share an encoder and the worst are pruned."""

VICTIMS: dict[str, tuple[bytes, ...]] = {
    "driver": (),
    "training worker": (b"ray::RayTrainWorker",),
    "data worker": (b"ray::Map", b"ray::Read", b"ray::SplitCoordinator", b"ray::_StatsActor"),
    "trainable": (b"ray::ResourceTrainable",),
    "mailbox": (b"ray::Mailbox",),
    "controller": (b"ray::TrainController",),
    "agent": (b"ray::DashboardAgent", b"ray::RuntimeEnvAgent"),
    "raylet": (b"/raylet/raylet",),
    "GCS": (b"gcs_server",),
    "any other worker": (b"ray::",),
}
"""What is killed, by names in the command lines of its processes."""

FATAL = ("driver", "raylet", "GCS")
"""Victims without which Ray ends; the same command then continues the study."""


@pytest.fixture(scope="module")
def undisturbed(
    tmp_path_factory: pytest.TempPathFactory,
    jet_folder: Path,  # noqa: F811
    tiny_options: list[str],  # noqa: F811
) -> Iterator[StudyRun]:
    run = StudyRun(tmp_path_factory.mktemp("undisturbed"), jet_folder, [*tiny_options])
    run.options |= SEARCH
    yield finished(run)
    run.end()


def results(run: StudyRun) -> dict[str, Any]:
    """Everything that a study found, without times and places."""
    kept = ("number", "state", "reason", "parameters", "objective", "objectives", "stages", "validation", "test")
    trials = [{name: trial[name] for name in (*kept, "optuna", "warnings", "chains")} for trial in run.trials()]
    for trial in trials:
        trial["objectives"] = {name: value for name, value in trial["objectives"].items() if name != "seconds"}
    hashes = [trial["stages"]["scores"] for trial in trials if "scores" in trial["stages"]]
    scores = [(run.folder / "stages" / "scores" / name / "scores.parquet").read_bytes() for name in hashes]
    best = {path.name: path.read_bytes() for path in (run.folder / "best").glob("*.safetensors")}
    return {"trials": trials, "scores": scores, "best": best}


def kill_one(run: StudyRun, chance: random.Random) -> str | None:
    """Kill a random process of the study; return its kind, or None if there is none of the kind that was drawn."""
    assert run.process is not None
    victim = chance.choice(list(VICTIMS))
    pids = named(run.family() - {run.process.pid}, *VICTIMS[victim]) if VICTIMS[victim] else {run.process.pid}
    if not pids:
        return None
    with contextlib.suppress(ProcessLookupError):
        os.kill(chance.choice(sorted(pids)), signal.SIGKILL)
    return victim


@pytest.mark.parametrize("number", range(ROUNDS))
def test_results_are_those_of_an_undisturbed_study(
    number: int,
    undisturbed: StudyRun,
    tmp_path: Path,
    jet_folder: Path,  # noqa: F811
    tiny_options: list[str],  # noqa: F811
) -> None:
    chance = random.Random(f"{SEED} {number}")
    print(f"\nround {number}, DARKCLR_CHAOS_SEED={SEED}")
    run = StudyRun(tmp_path / "results", jet_folder, tiny_options)
    run.options |= SEARCH
    kills, killed = chance.randint(3, 6), list[str]()
    try:
        for _ in range(12):
            run.start()
            assert run.process is not None
            while run.process.poll() is None and len(killed) < kills:
                time.sleep(chance.uniform(0.5, 12.0))
                if run.process.poll() is None:
                    processes = run.family() - run.agents()
                    victim = kill_one(run, chance)
                    killed += [victim] if victim else []
                    if victim == "driver":
                        run.process.wait()
                        assert gone(processes), "Ray outlived its driver"
            if run.wait(600.0) == 0 and len(killed) >= min(kills, 1):
                break
        print(f"killed: {', '.join(killed)}")
        assert run.process is not None
        assert run.process.returncode == 0, run.screen()
        assert "Traceback" not in run.screen(), run.screen()
        assert results(run) == results(undisturbed)
        assert (run.folder / "report" / "index.html").stat().st_size > 10000
    finally:
        run.end()


def test_the_undisturbed_study_prunes(undisturbed: StudyRun) -> None:
    assert {"COMPLETE", "PRUNED"} == {trial["state"] for trial in undisturbed.trials()}
