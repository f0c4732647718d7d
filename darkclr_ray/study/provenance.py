"""With what a study was made: it may be continued by other versions, on another machine, in another precision."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

Start = Mapping[str, Any]
"""time (ISO 8601), versions by library, machine (cpus, gpus, nodes), and once jobs have told them, precision and the
implementation of each network ("kernels")."""


def now() -> str:
    """The time, as a study's folder has it."""
    return time.strftime("%Y-%m-%dT%H:%M:%S%z")


def starts_of(about: Mapping[str, Any]) -> list[Start]:
    """The starts that a study.json tells of, the first one first.

    Before there was this list it told of one: the first one's versions, the last one's machine.

    >>> starts_of({"created": "2026-01-01", "versions": {"torch": "2.9.0"}, "machine": {"cpus": 2}})
    [{'time': '2026-01-01', 'versions': {'torch': '2.9.0'}, 'machine': {'cpus': 2}}]
    """
    one = {"time": about.get("created"), **{name: about[name] for name in ("versions", "machine") if name in about}}
    return list(about.get("starts") or ([one] if len(one) > 1 else []))


def followed(starts: Sequence[Start], start: Start) -> list[Start]:
    """The starts with one more, where that differs from the last one in what it tells besides its time.

    >>> first = {"time": "2026-01-01", "versions": {"torch": "2.9.0"}, "precision": "float32"}
    >>> followed([first], {"time": "2026-01-02", "versions": {"torch": "2.9.0"}}) == [first]
    True
    >>> len(followed([first], {"time": "2026-01-02", "versions": {"torch": "2.13.0"}}))
    2
    """
    last = starts[-1] if starts else None
    if last is not None and all(last.get(name) == value for name, value in start.items() if name != "time"):
        return list(starts)
    return [*starts, start]


def computed_in(starts: Sequence[Start], precision: str, kernels: Mapping[str, str]) -> list[Start]:
    """Return the starts with a job's precision and its networks' implementations added to the last one.

    If they contradict what an earlier job has told, a new start is added.

    >>> computed_in([{"time": "2026-01-01"}], "float32", {"encoder": "C"})
    [{'time': '2026-01-01', 'precision': 'float32', 'kernels': {'encoder': 'C'}}]
    """
    *before, last = starts
    known = last.get("kernels", {})
    if last.get("precision", precision) == precision and all(known.get(name, of) == of for name, of in kernels.items()):
        return [*before, {**last, "precision": precision, "kernels": {**known, **kernels}}]
    return followed(starts, {**last, "precision": precision, "kernels": dict(kernels), "time": now()})
