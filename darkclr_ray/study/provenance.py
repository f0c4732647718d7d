"""Provenance of a study: versions, machine and precision of each start that differs from the one before."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence

from darkclr_ray.study.records import Start


def now() -> str:
    """Return the current time in ISO 8601."""
    return time.strftime("%Y-%m-%dT%H:%M:%S%z")


def with_start(starts: Sequence[Start], start: Start) -> list[Start]:
    """Return the starts with one more, if it differs from the last one in anything but the time.

    A start without a precision does not differ from one with a precision.

    >>> first = Start(time="2026-01-01", versions={"torch": "2.9.0"}, precision="float32")
    >>> with_start([first], Start(time="2026-01-02", versions={"torch": "2.9.0"})) == [first]
    True
    >>> len(with_start([first], Start(time="2026-01-02", versions={"torch": "2.13.0"})))
    2
    """
    if starts and all(getattr(starts[-1], name) == getattr(start, name) for name in start.model_fields_set - {"time"}):
        return list(starts)
    return [*starts, start]


def computed_in(starts: Sequence[Start], precision: str, kernels: Mapping[str, str]) -> list[Start]:
    """Return the starts with a job's precision and its networks' implementations added to the last one.

    If they differ from those of an earlier job, a new start is added.

    >>> computed_in([Start(time="2026-01-01")], "float32", {"encoder": "C"})[-1].kernels
    {'encoder': 'C'}
    """
    *before, last = starts
    same = all(last.kernels.get(name, kernel) == kernel for name, kernel in kernels.items())
    if last.precision in (None, precision) and same:
        computed = {"precision": precision, "kernels": {**last.kernels, **kernels}}
        return [*before, last.model_copy(update=computed)]
    new = {"precision": precision, "kernels": dict(kernels), "time": now()}
    return with_start(starts, last.model_copy(update=new))
