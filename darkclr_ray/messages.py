"""Texts for messages: the nearest known name, and values as on the command line."""

from __future__ import annotations

import difflib
import errno
from collections.abc import Mapping, Sequence
from typing import Any


def suggestion(name: str, known: Sequence[str], prefix: str = "") -> str:
    """Return a suggestion of the nearest known settings, those with the same last part first.

    >>> suggestion("d_z", ["encoder.d_z", "search.d_z", "seed"], "--")
    '; did you mean --encoder.d_z or --search.d_z?'
    """
    last = name.rpartition(".")[2]
    same = [other for other in known if other.rpartition(".")[2] == last]
    near = same or difflib.get_close_matches(name, known, 1, 0.6)
    if not near:
        lasts = {other.rpartition(".")[2]: other for other in reversed(known)}
        near = [lasts[other] for other in difflib.get_close_matches(last, lasts, 1, 0.6)]
    if not near:
        return "; --help lists them all"
    return f"; did you mean {' or '.join(prefix + other for other in near[:3])}?"


def nearest(word: str, known: Mapping[str, Any] | Sequence[str]) -> str:
    """Return text with the nearest of a few known words, and all of them."""
    near = difflib.get_close_matches(word, list(known), 1, 0.5)
    return (f"; did you mean {near[0]!r}?" if near else ";") + f" There are: {', '.join(known)}"


def shown(value: Any, depth: int = 3) -> str:
    """Return a value as it is written on the command line, shortened if it is long or deep.

    >>> shown((16, 32)), shown(None)
    ('[16, 32]', 'none')
    """
    if value is None:
        return "none"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, list | tuple | set | dict):
        parts = [shown(part, depth - 1) for part in list(value)[:20]] if depth else ["..."]
        return f"[{', '.join(parts + ['...'] * (len(value) > 20))}]"
    text = str(value) if not isinstance(value, int) or abs(value) < 10**80 else "a number of more than 80 digits"
    return text if len(text) <= 80 else text[:77] + "..."


def os_error_message(error: OSError) -> str:
    """Return one sentence on a file system error: which file, what is wrong, and what to do.

    >>> os_error_message(PermissionError(errno.EACCES, "Permission denied", "jets/model.json"))
    'jets/model.json: permission denied; ask for permission, or name another file or folder'
    """
    if error.filename is None or not error.strerror:
        return str(error)
    mend = {errno.EACCES: "ask for permission, or name another file or folder", errno.ENOSPC: "make room"}
    what = error.strerror[0].lower() + error.strerror[1:]
    return f"{error.filename}: {what}; {mend.get(error.errno or 0, 'restore it, or name another file or folder')}"
