"""Whose warnings count: those of the epoch whose weights were kept."""

from __future__ import annotations

import pytest

from darkclr_ray.training.selection import selected_epoch


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
