"""A study's driver killed, stopped, disturbed; the same command then ends with the scores of an undisturbed study."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from .study_run import StudyRun, gone, named, same

pytestmark = pytest.mark.slow


def starting(run: StudyRun) -> bool:
    return (run.folder / ".lock").exists()


def materialising(run: StudyRun) -> bool:
    """The study is described, and its jets go into the object store."""
    return (run.folder / "study.json").exists()


def measuring(run: StudyRun) -> bool:
    return (run.folder / "logs" / "measuring.log").exists()


def representation(run: StudyRun) -> bool:
    return any(run.folder.glob("stages/representation/*.partial/checkpoint.pt"))


def between_the_stages(run: StudyRun) -> bool:
    return any(path.suffix != ".partial" for path in run.folder.glob("stages/representation/*"))


def reconstruction_and_divergence(run: StudyRun) -> bool:
    return any(run.folder.glob("stages/energy/*.partial/checkpoint.pt"))


def scoring(run: StudyRun) -> bool:
    """The autoencoder is finished: all jets are scored."""
    return any(path.suffix != ".partial" for path in run.folder.glob("stages/energy/*"))


def between_trials(run: StudyRun) -> bool:
    return (run.folder / "trials" / "0001.json").exists()


def reference_points(run: StudyRun) -> bool:
    return (run.folder / "trials" / "0002.json").exists()


def report(run: StudyRun) -> bool:
    return (run.folder / "references.json").exists()


MOMENTS: tuple[Callable[[StudyRun], bool], ...] = (
    starting,
    materialising,
    measuring,
    representation,
    between_the_stages,
    reconstruction_and_divergence,
    scoring,
    between_trials,
    reference_points,
    report,
)
"""In the order of a study. Generation has a test of its own, in tests/jets/generation/test_generate.py."""


def test_a_finished_study_trains_nothing(undisturbed: StudyRun) -> None:
    before = {path: path.stat().st_mtime_ns for path in (undisturbed.folder / "stages").rglob("*")}
    undisturbed.start()
    undisturbed.finish()
    assert undisturbed.screen().rstrip().endswith("report/index.html")
    assert {path: path.stat().st_mtime_ns for path in (undisturbed.folder / "stages").rglob("*")} == before


@pytest.mark.parametrize("moments", [MOMENTS[:5], MOMENTS[5:]], ids=["early", "late"])
def test_the_driver_killed_again_and_again(
    moments: Sequence[Callable[[StudyRun], bool]],
    run: StudyRun,
    undisturbed: StudyRun,
    witness: Any,
    chance: random.Random,
) -> None:
    for moment in moments:
        run.start()
        run.until(lambda moment=moment: moment(run))  # type: ignore[misc]
        time.sleep(chance.uniform(0.0, 0.2))
        processes = run.family() - run.agents()
        run.kill()
        assert gone(processes), "Ray outlived its driver"
    with witness(f"the driver killed: {', '.join(moment.__name__ for moment in moments)}", run):
        run.start()
    run.finish()
    same(run, undisturbed)


def test_a_training_worker_killed_in_the_middle(
    run: StudyRun, undisturbed: StudyRun, witness: Any, chance: random.Random
) -> None:
    run.start()
    for kind in ("representation", "energy"):
        run.until_checkpoint(kind)
        time.sleep(chance.uniform(0.0, 0.2))
        worker = run.training_worker()
        assert worker is not None
        with witness(f"a training worker killed, {kind}", run):
            os.kill(worker, signal.SIGKILL)
            gone({worker})
    run.finish()
    same(run, undisturbed)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_stopped_once_it_says_how_to_go_on(
    run: StudyRun, undisturbed: StudyRun, number: signal.Signals, witness: Any
) -> None:
    run.start()
    run.until_checkpoint()
    processes = run.family()
    assert run.process is not None
    run.process.send_signal(number)
    run.finish(130)
    assert "To continue:" in run.screen()
    assert "--name scan" in run.screen()
    assert gone(processes)
    with witness(f"{number.name} once, then the same command", run):
        run.start()
    run.finish()
    same(run, undisturbed)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
@pytest.mark.parametrize("moment", [starting, materialising, measuring])
def test_stopped_before_its_first_training_it_says_the_same(
    run: StudyRun, number: signal.Signals, moment: Callable[[StudyRun], bool]
) -> None:
    run.start()
    run.until(lambda: moment(run))
    processes = run.family()
    assert run.process is not None
    run.process.send_signal(number)
    run.finish(130)
    assert "0 of 3 trials have ended; nothing finished is lost. To continue:" in run.screen()
    assert "--name scan" in run.screen()
    assert "Traceback" not in run.screen()
    assert "None" not in run.screen()
    assert gone(processes)


def test_stopped_twice_it_stops_at_once(run: StudyRun) -> None:
    """In an epoch that does not end, since its worker stands still: once would not do."""
    run.start()
    run.until_checkpoint()
    processes, worker = run.family(), run.training_worker()
    assert run.process is not None
    assert worker is not None
    os.kill(worker, signal.SIGSTOP)
    run.process.send_signal(signal.SIGINT)
    run.until(lambda: "stopping after the epoch at work" in run.screen())
    assert "stopping at once" not in run.screen()
    run.process.send_signal(signal.SIGINT)
    run.finish(130)
    assert "stopping at once" in run.screen()
    assert "Traceback" not in run.screen()
    assert gone(processes)


def test_two_at_the_same_study(run: StudyRun) -> None:
    run.start()
    run.until(lambda: (run.folder / "study.json").exists())
    second = subprocess.run(run.command, capture_output=True, text=True, timeout=120)
    assert second.returncode == 2
    assert run.process is not None
    assert f"being used by process {run.process.pid}" in second.stderr
    assert "Traceback" not in second.stderr


@pytest.mark.parametrize("part", [b"ray::ResourceTrainable", b"ray::Mailbox", b"ray::TrainController"])
def test_an_actor_of_a_trial_killed_in_the_middle(
    run: StudyRun, undisturbed: StudyRun, witness: Any, chance: random.Random, part: bytes
) -> None:
    """Tune retries the trial in another worker group, and the study goes on."""
    run.start()
    run.until_checkpoint()
    time.sleep(chance.uniform(0.0, 0.2))
    with witness(f"the trial's {part.decode().removeprefix('ray::')} killed", run):
        (killed,) = named(run.family(), part)
        os.kill(killed, signal.SIGKILL)
        gone({killed})
    run.finish()
    same(run, undisturbed)


@pytest.mark.parametrize("part", [b"/raylet/raylet", b"gcs_server"])
def test_a_part_of_ray_that_is_lost(run: StudyRun, undisturbed: StudyRun, chance: random.Random, part: bytes) -> None:
    """Nothing finished is lost. Without raylet or GCS Ray ends the driver, too, which has no time for words."""
    run.start()
    run.until_checkpoint()
    time.sleep(chance.uniform(0.0, 0.5))
    processes = run.family()
    for pid in named(processes, part):
        os.kill(pid, signal.SIGKILL)
    assert run.wait() != 0
    assert "Traceback" not in run.screen(), run.screen()
    run.start()
    run.finish()
    same(run, undisturbed)


def test_a_training_that_diverges_fails_alone(run: StudyRun) -> None:
    run.options |= {"--search.step_size": "1000,10000", "--nae.steps": "40", "--trials": "2"}
    run.start()
    run.finish(1)
    assert [trial["state"] for trial in run.trials()] == ["FAIL"] * 2
    assert "Langevin" in str(run.trials()[0]["reason"])
    assert "no trial was completed" in run.screen()
    assert "another --name" in run.screen()
    assert "To continue:" not in run.screen()
    assert "Traceback" not in run.screen()


def test_a_trial_that_stands_still_is_ended_and_the_study_goes_on(run: StudyRun, witness: Any) -> None:
    run.options |= {"--compute.stall_limit": "15", "--trials": "2", "--contrastive.epochs": "400"}
    run.start()
    run.until_checkpoint()
    worker = run.training_worker()
    assert worker is not None
    with witness("a trial that hangs", run, "that trial fails, the study goes on"):
        os.kill(worker, signal.SIGSTOP)
        run.until(run.trials)
    run.finish()
    first, second = run.trials()
    assert first["state"] == "FAIL"
    assert "no progress for 15 s" in str(first["reason"])
    assert second["state"] == "COMPLETE"


ONE_RANK = '''"""An objective for which one of two workers loses its disk, as long as {mended} is not there."""

import errno
from pathlib import Path

from ray.train import get_context


def objective(objective_input):
    if get_context().get_world_rank() == 1 and not Path({mended!r}).exists():
        raise OSError(errno.EIO, "Input/output error", "/somewhere")
    return 1.0
'''


def test_a_disk_that_one_of_two_workers_loses(run: StudyRun, tmp_path: Path, witness: Any) -> None:
    """The other one waits for it in the middle of a job; neither may go on to the next one alone."""
    (tmp_path / "one_rank.py").write_text(ONE_RANK.format(mended=str(tmp_path / "mended")))
    run.environment |= {"PYTHONPATH": str(tmp_path)}
    run.options |= {"--search.objective": "one_rank:objective", "--compute.workers": "2"}
    run.start()
    run.finish(1)
    assert "Input/output error: /somewhere" in run.screen()
    assert "Traceback" not in run.screen()
    assert run.trials() == []
    (tmp_path / "mended").touch()
    run.start()
    with witness("a disk that one of two workers loses, then mended", run, "pauses; complete"):
        run.until(run.trials)
    run.finish()
    assert [trial["state"] for trial in run.trials()] == ["COMPLETE"] * 3
