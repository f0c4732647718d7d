"""Provenance of a study: versions, machine and precision of each start that differs from the one before."""

from __future__ import annotations

import time
from collections.abc import Sequence

from darkclr_ray.study.records import Start


def now() -> str:
    """Return the current time in ISO 8601."""
    return time.strftime("%Y-%m-%dT%H:%M:%S%z")


def followed(starts: Sequence[Start], start: Start) -> list[Start]:
    """Return the starts with one more, if it differs from the last one in anything but the time.

    A start without a precision does not differ from one with a precision.

    >>> first = Start(time="2026-01-01", versions={"torch": "2.9.0"}, precision="float32")
    >>> followed([first], Start(time="2026-01-02", versions={"torch": "2.9.0"})) == [first]
    True
    >>> len(followed([first], Start(time="2026-01-02", versions={"torch": "2.13.0"})))
    2
    """
    if starts and all(getattr(starts[-1], name) == getattr(start, name) for name in start.model_fields_set - {"time"}):
        return list(starts)
    return [*starts, start]


def computed_in(starts: Sequence[Start], precision: str) -> list[Start]:
    """Return the starts after a job of the last one has reported its precision.

    If it differs from the precision of an earlier job, a new start begins.

    >>> computed_in([Start(time="2026-01-01")], "float32")[-1].precision
    'float32'
    """
    *before, last = starts
    if last.precision is None:
        return [*before, last.model_copy(update={"precision": precision})]
    return followed(starts, last.model_copy(update={"precision": precision, "time": now()}))
