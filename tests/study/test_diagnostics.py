"""Whose warnings count: those of the epoch whose weights were kept."""

from __future__ import annotations

import pytest

from darkclr_ray.study.diagnostics import kept_epoch


@pytest.mark.parametrize(
    ("selection", "kept"), [([-3.0, -9.0, 0.0], 1), ([None, 0.4, 0.3, None], 2), ([None, None], 1), ([0.1, 0.1], 0)]
)
def test_the_epoch_that_was_kept(selection: list[float | None], kept: int) -> None:
    records = [{"epoch": epoch, "selection": value} for epoch, value in enumerate(selection)]
    assert kept_epoch(records) == records[kept]


def test_a_history_without_selection_or_without_epochs() -> None:
    assert kept_epoch([{"loss": 0.1}, {"loss": 0.2}]) == {"loss": 0.2}
    assert kept_epoch([]) == {}
