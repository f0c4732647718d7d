"""Warnings of trainings, and the epoch whose weights were kept."""

from __future__ import annotations

from pathlib import Path

import pytest

from darkclr_ray.study.job_context import logging_to
from darkclr_ray.training.loop import StopTraining
from darkclr_ray.training.selection import selected_epoch, warnings_in


@pytest.mark.parametrize(
    ("kind", "records", "kept"),
    [
        ("representation", [{"validation_loss": -3.0}, {"validation_loss": -9.0}, {"validation_loss": 0.0}], 1),
        ("representation", [{"validation_loss": -3.0}, {"validation_loss": -9.0, "collapsed": True}], 0),
        ("supervised", [{"loss": 0.1, "validation_loss": 0.3}, {"loss": 0.05, "validation_loss": 0.4}], 0),
        ("energy", [{"loss": 0.1}, {"energy_difference": -0.2}, {"energy_difference": 0.1}], 2),
        ("energy", [{"energy_difference": None}, {"energy_difference": 0.1}, {"loss": 0.1}], 1),
        ("energy", [{"loss": 0.1}, {"loss": 0.2}], 1),
        ("energy", [{"energy_difference": 0.3, "views_area": 0.8}, {"energy_difference": 0.1, "views_area": 0.7}], 0),
        ("energy", [{"views_area": 0.8, "warning": "chains stand still"}, {"views_area": 0.7}], 1),
        ("of somebody's own", [{"loss": 0.1}, {"loss": 0.2}], 1),
    ],
)
def test_the_epoch_that_was_kept(kind: str, records: list[dict[str, float]], kept: int) -> None:
    assert selected_epoch(kind, records) == records[kept]


def test_no_epoch_at_all() -> None:
    assert selected_epoch("representation", []) == {}


@pytest.mark.parametrize(
    ("kind", "records", "words"),
    [
        ("representation", [{"validation_loss": -3.0}], None),
        (
            "representation",
            [{"validation_loss": -3.0}, {"validation_loss": 0.0, "warning": "a."}],
            "1 epoch with a warning; the last one: a",
        ),
        (
            "energy",
            [{"energy_difference": 0.1, "warning": "a"}, {"energy_difference": 0.2, "warning": "b"}],
            "2 epochs with a warning, the selected one among them; the last one: b",
        ),
    ],
)
def test_warnings_of_all_epochs_count(kind: str, records: list[dict[str, object]], words: str | None) -> None:
    assert warnings_in(kind, records) == words


def test_a_pruned_trial_is_no_error_in_its_log(tmp_path: Path) -> None:
    log = tmp_path / "trial.log"
    for error in (StopTraining("asked to stop"), ValueError("a bug")):
        with pytest.raises(type(error)), logging_to(log, 0):
            raise error
    stopped, failed, *_, last = log.read_text().splitlines()
    assert "INFO darkclr_ray: stopped before its end: asked to stop" in stopped
    assert "ERROR darkclr_ray: ended by" in failed
    assert last == "ValueError: a bug"
