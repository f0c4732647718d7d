"""Plain lines where there is no terminal, and a display where there is one."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from darkclr_ray.study import progress
from darkclr_ray.study.progress import Display, Status

TRAINING = {
    "stage": "representation",
    "epoch": 3,
    "epochs": 12,
    "part": 0.5,
    "loss": -5.97,
    "jets_per_second": 1487.2,
    "seconds": 9.0,
    "attempts": 1,
}


def plain() -> tuple[Display, io.StringIO]:
    stream = io.StringIO()
    return Display(Console(file=stream, width=80)), stream


def test_plain_lines_come_when_a_stage_changes_and_then_rarely(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [0.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: clock[0])
    display, stream = plain()
    standing = Status(6, left=400.0)
    with display:
        display.update({"trial-0000": {}}, standing)
        for second in range(10):
            clock[0] = float(second)
            display.update({"trial-0000": TRAINING}, standing)
        clock[0] = 40.0
        display.update({"trial-0000": TRAINING | {"epoch": 7}}, standing)
        energy = {"stage": "energy", "epoch": 30, "epochs": 40, "loss": 0.5, "energy_difference": -0.0123}
        display.update({"trial-0000": energy}, standing)
        display.print_line(
            "trial-0000: matched 2.345 with a line that is longer than the eighty columns of the screen that it is on"
        )
    lines = stream.getvalue().splitlines()
    assert lines == [
        "trial-0000: starting, about 7 min left",
        "trial-0000: encoder, epoch 4 of 12, loss -5.970, 1487 jets/s, about 7 min left",
        "trial-0000: encoder, epoch 8 of 12, loss -5.970, 1487 jets/s, about 7 min left",
        "trial-0000: autoencoder, epoch 31 of 40, loss 0.500, energy difference -0.0123, about 7 min left",
        "trial-0000: matched 2.345 with a line that is longer than the eighty columns of the screen that it is on",
    ]
    assert "\x1b" not in stream.getvalue()


def test_a_terminal_shows_all_jobs_and_the_standing() -> None:
    stream = io.StringIO()
    display = Display(Console(file=stream, width=120, force_terminal=True, force_interactive=True))
    with display:
        display.update({"trial-0001": TRAINING, "trial-0002": {"waits": "for process 7 on a node"}}, Status(6))
        assert display._live is not None
        display._live.refresh()
    shown = stream.getvalue()
    for word in ("trial-0001", "encoder, epoch 4 of 12", "trial-0002", "waits for process 7", "0 of 6 trials"):
        assert word in shown


def test_the_standing_in_one_line() -> None:
    standing = Status(6, {"COMPLETE": 3, "PRUNED": 1, "FAIL": 0}, "trial 2 (matched 2.300)", 90.0)
    assert standing.ended == 4
    assert standing.summary() == (
        "4 of 6 trials (3 complete, 1 pruned), about 90 s left, best so far: trial 2 (matched 2.300)"
    )
    assert Status(6).summary() == "0 of 6 trials, no result yet"


def test_a_second_attempt_is_said() -> None:
    assert progress.describe(TRAINING | {"attempts": 2}).endswith("attempt 2")
