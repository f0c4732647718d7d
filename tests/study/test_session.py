"""What a study says while it runs, by what Ray Tune tells its callback."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from darkclr_ray.study.progress import Status
from darkclr_ray.study.session import WAITING_SECONDS, Progress


def running(own_ray: bool) -> tuple[Progress, list[str]]:
    said: list[str] = []
    display = SimpleNamespace(print_line=said.append, update=lambda jobs, status: None)
    metrics = SimpleNamespace(jobs=lambda jobs: None, trial_counts=lambda counts, count: None)
    session: Any = SimpleNamespace(
        own_ray=own_ray,
        display=display,
        metrics=metrics,
        status=Status(3),
        jobs={},
        groups={},
        started={},
        ended=frozenset(),
        interrupted=False,
        estimate=None,
        left=lambda: None,
    )
    return Progress(session, SimpleNamespace(stopped=lambda: False)), said  # type: ignore[arg-type]


@pytest.mark.parametrize("own_ray", [True, False])
def test_nobody_else_holds_the_resources_of_ones_own_ray(own_ray: bool) -> None:
    progress, said = running(own_ray)
    result = {"progress": {}, "waiting": WAITING_SECONDS + 1.0, "mailbox": "group"}
    for _ in range(2):
        progress.shown = 0.0
        progress.on_trial_result(1, [], "trial-0001", result)
    assert len(said) == 1
    assert ("resources in use" in said[0]) == (not own_ray)


def test_why_workers_were_lost_is_said_once() -> None:
    progress, said = running(own_ray=True)
    for lost in (None, "memory ran out on node 10.0.0.1", "memory ran out on node 10.0.0.1"):
        told = {"progress": {"attempts": 2} | ({"lost": lost} if lost else {}), "waiting": 0.0, "mailbox": "group"}
        progress.on_trial_result(1, [], "trial-0001", told)
    assert said == ["trial-0001: memory ran out on node 10.0.0.1; it is started again"]


def test_the_cause_of_a_trial_that_tune_gives_up_is_kept() -> None:
    progress, said = running(own_ray=True)

    class Lost:
        def get_error(self) -> RuntimeError:
            return RuntimeError("Failure # 1 (occurred at noon)\nThe actor died unexpectedly.\n180 more lines")

        def __str__(self) -> str:
            return "trial-0002"

    progress.on_trial_recover(1, [], Lost())
    progress.on_trial_error(1, [], Lost())
    assert said == ["trial-0002: The actor died unexpectedly; it is started again"]
    assert progress.lost == "trial-0002 was lost again and again: The actor died unexpectedly"
