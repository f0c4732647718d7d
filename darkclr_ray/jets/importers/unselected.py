"""Define the common result of all formats: parts of a file's jets before the selection."""

from __future__ import annotations

import contextlib
import errno
import importlib.util
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, TypeVar

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
T = TypeVar("T")


class CannotImport(ValueError):
    """Raised for a file that cannot be imported with the given options; the message has the reason and the remedy."""


@dataclass(frozen=True, eq=False)
class UnselectedJets:
    """B jets with M constituents in total, in the file's order, before the selection.

    Attributes:
        momenta: (M, 4): px, py, pz, E in GeV; rows of zeros are padding.
        offsets: (B + 1,): jet i owns ``momenta[offsets[i]:offsets[i + 1]]``.
        rows: (B,): position of each jet in the file; unique within the file.
        read: number of jets or events of the file in this part.
        events: (B,): number in the file of each jet's event, or None: every jet is a separate event.
        labels: (B,): label in the file of each jet as text, or None.
        axes: (B, 4): pT [GeV], eta, phi and mass [GeV] of each jet as the file gives it, or none: the sum of the
            constituents. Without a mass (B, 3), the mass is that of the sum.
        matched: (B,): whether a parton is near, or None without matching.
        notes: notes for the user that do not exclude jets, with how often they apply.
    """

    momenta: Floats
    offsets: Integers
    rows: Integers
    read: int
    events: Integers | None = None
    labels: NDArray[np.str_] | None = None
    axes: Floats | None = None
    matched: NDArray[np.bool_] | None = None
    notes: Counter[str] = field(default_factory=Counter)

    def __len__(self) -> int:
        return len(self.rows)


@dataclass(frozen=True, eq=False)
class Source:
    """File that was opened and whose format was detected.

    Attributes:
        format: name of the format.
        holds: "jets" or "events".
        total: their number.
        stream: function from the file's fingerprint (a seed for formats that need one) to an iterator of its jets.
        understood: how it is read (columns, order, unit), for the summary and the shards.
    """

    format: str
    holds: Literal["jets", "events"]
    total: int
    stream: Callable[[str], Iterator[UnselectedJets]]
    understood: dict[str, Any] = field(default_factory=dict)


@contextlib.contextmanager
def reading(path: Path, what: str = "it") -> Iterator[None]:
    """Convert all errors of a format's library while it reads a file into one message that names the cause."""
    try:
        yield
    except (CannotImport, ImportError, MemoryError):
        raise
    except PermissionError as error:
        raise CannotImport(f"{path}: you may not read it ({error.strerror}). Nothing was imported") from error
    except BlockingIOError as error:
        raise CannotImport(
            f"{path}: another program has locked it, and may be writing it ({_words(error)}); wait until it has "
            "finished, or copy the file. Nothing was imported"
        ) from error
    except Exception as error:
        if isinstance(error, OSError) and error.errno is not None and error.errno != errno.EINVAL:
            raise CannotImport(f"{path}: cannot be read: {_words(error)}. Nothing was imported") from error
        raise CannotImport(
            f"{path}: damaged or truncated, {what} cannot be read ({type(error).__name__}: {_words(error)}); "
            "fetch the file again. Nothing was imported"
        ) from error


@contextlib.contextmanager
def converting(path: Path, what: str) -> Iterator[None]:
    """Convert all errors that are caused by content of an unexpected kind into one message."""
    try:
        yield
    except (CannotImport, ImportError, MemoryError):
        raise
    except Exception as error:
        raise CannotImport(
            f"{path}: {what} were read, but are of a kind that cannot be converted into jets "
            f"({type(error).__name__}: {_words(error)}); write plain numbers, lists and text. Nothing was imported"
        ) from error


def _words(error: Exception) -> str:
    return " ".join(str(error).split())[:200]


def read_each(path: Path, items: Iterable[T], what: str = "it") -> Iterator[T]:
    """Yield the items of a library's iterator, with its errors converted as in :func:`reading`."""
    iterator = iter(items)
    while True:
        with reading(path, what):
            try:
                item = next(iterator)
            except StopIteration:
                return
        yield item


def require(*modules: str, extra: str = "import") -> None:
    """Raise ImportError, with the command that installs it, if a library is missing."""
    missing = [name for name in modules if importlib.util.find_spec(name) is None]
    if missing:
        raise ImportError(f"this format needs {', '.join(missing)}: pip install 'darkclr_ray[{extra}]'")


def pick(path: Path, kind: str, choices: list[str], asked: str | None) -> str:
    """Return the only choice, or the requested one; raise CannotImport with the choices if it is ambiguous."""
    if asked is not None and asked in choices:
        return asked
    if asked is None and len(choices) == 1:
        return choices[0]
    if not choices:
        raise CannotImport(f"{path}: no {kind} in it")
    what = f"which {kind}?" if asked is None else f"no {kind} {asked!r} in it."
    raise CannotImport(f"{path}: {what} Say --dataset NAME; usable here: {', '.join(choices)}")
