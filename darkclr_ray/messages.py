"""Texts for messages: the nearest known name, and values as on the command line."""

from __future__ import annotations

import difflib
import errno
from collections.abc import Mapping, Sequence
from typing import Any

LEAST_SETTING, LEAST_WORD = 0.75, 0.7
"""Smallest similarities (`difflib.SequenceMatcher.ratio`) of settings and of words that are suggested."""


def suggestion(name: str, known: Sequence[str], prefix: str = "") -> str:
    """Return a suggestion of the known setting whose whole name or whose last part is most similar to a name.

    Of settings with the same last part up to three are suggested, and none if no similarity reaches `LEAST_SETTING`.

    >>> suggestion("d_z", ["encoder.d_z", "search.d_z", "seed"], "--")
    '; did you mean --encoder.d_z or --search.d_z?'
    >>> suggestion("bogus", ["wnae.bound"])
    '; --help lists them all'
    """

    def similarity(other: str) -> tuple[float, float]:
        pairs = (name, other), (name.rpartition(".")[2], other.rpartition(".")[2])
        whole, last = (difflib.SequenceMatcher(None, *pair).ratio() for pair in pairs)
        return max(whole, last), whole if whole >= LEAST_SETTING else 0.0

    near = [other for other in sorted(known, key=similarity, reverse=True) if similarity(other)[0] >= LEAST_SETTING]
    if not near:
        return "; --help lists them all"
    same = [other for other in near if similarity(other)[0] == 1.0]
    return f"; did you mean {' or '.join(prefix + other for other in same[:3] or near[:1])}?"


def nearest(word: str, known: Mapping[str, Any] | Sequence[str]) -> str:
    """Return text with the nearest of a few known words, if one is similar, and all of them."""
    near = difflib.get_close_matches(word, list(known), 1, LEAST_WORD)
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
