"""What studies on several nodes, and their faults, have in common."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from ..study.conftest import jet_folder, tiny_options  # noqa: F401
from .study_run import StudyRun

TABLE: list[tuple[str, str, float]] = []
"""Fault, how the study ended, and seconds until it went on; printed at the end."""


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if TABLE:
        terminalreporter.section("faults")
        for fault, outcome, seconds in TABLE:
            terminalreporter.write_line(f"{fault:<60} {outcome:<40} {seconds:6.1f} s")


Witness = Callable[..., object]
"""``with witness(fault, run, outcome):`` around a fault: waits until the study goes on, and notes the time."""


@pytest.fixture(scope="session")
def witness() -> Witness:
    @contextmanager
    def around(fault: str, run: StudyRun, outcome: str = "complete, same scores") -> Iterator[None]:
        yield
        began = time.time()
        run.until(lambda: run.last_progress() > began or run.process.poll() == 0)  # type: ignore[union-attr]
        TABLE.append((fault, outcome, time.time() - began))

    return around


@pytest.fixture
def chance() -> random.Random:
    """The times of the kills; a failed test shows the seed."""
    seed = random.randrange(2**32)
    print(f"seed {seed}")
    return random.Random(seed)


@pytest.fixture(scope="session")
def undisturbed(
    tmp_path_factory: pytest.TempPathFactory,
    jet_folder: Path,  # noqa: F811
    tiny_options: list[str],  # noqa: F811
) -> StudyRun:
    """A study on this machine to which nothing happens."""
    return finished(StudyRun(tmp_path_factory.mktemp("undisturbed"), jet_folder, tiny_options))


EPOCHS = {"--contrastive.epochs": "40"}
"""Enough of them that there is a middle."""


@pytest.fixture(scope="session")
def undisturbed_longer(
    tmp_path_factory: pytest.TempPathFactory,
    jet_folder: Path,  # noqa: F811
    tiny_options: list[str],  # noqa: F811
) -> StudyRun:
    """The same with more epochs."""
    run = StudyRun(tmp_path_factory.mktemp("longer"), jet_folder, tiny_options)
    run.options |= EPOCHS
    return finished(run)


def finished(run: StudyRun) -> StudyRun:
    run.start()
    run.finish()
    return run


@pytest.fixture
def run(tmp_path: Path, jet_folder: Path, tiny_options: list[str]) -> Iterator[StudyRun]:  # noqa: F811
    """The same study, on this machine unless it is told another address."""
    run = StudyRun(tmp_path / "results", jet_folder, tiny_options)
    (tmp_path / "results").mkdir()
    yield run
    run.end()
