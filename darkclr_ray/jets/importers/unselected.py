"""What every format is read into: stretches of jets as a file has them, before selection."""

from __future__ import annotations

import contextlib
import importlib.util
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
    """A file that cannot be imported as asked: says which, why, and what to say or do."""


@dataclass(frozen=True, eq=False)
class UnselectedJets:
    """B jets with M constituents in all, in the file's order.

    Attributes:
        momenta: (M, 4): px, py, pz, E in GeV; rows of zeros are padding.
        offsets: (B + 1,): jet i owns ``momenta[offsets[i]:offsets[i + 1]]``.
        rows: (B,): where in the file each jet stands; unique within the file.
        read: jets or events of the file that this stretch took, for counting.
        events: (B,): the file's own number of each jet's event, or none: every jet is an event of its own.
        labels: (B,): the file's own label of each jet as text, or none.
        axes: (B, 4): pT [GeV], eta, phi and mass [GeV] of each jet as the file gives it, or none: the sum of the
            constituents. Without a mass (B, 3), the mass is that of the sum.
        matched: (B,): whether a parton is near, or none: not asked.
    """

    momenta: Floats
    offsets: Integers
    rows: Integers
    read: int
    events: Integers | None = None
    labels: NDArray[np.str_] | None = None
    axes: Floats | None = None
    matched: NDArray[np.bool_] | None = None

    def __len__(self) -> int:
        return len(self.rows)


@dataclass(frozen=True, eq=False)
class Source:
    """A file that was opened and understood.

    Attributes:
        format: name of the format.
        holds: what it counts in.
        total: how many of them.
        stream: from the file's fingerprint (a seed for formats that need one) to its jets, a bounded stretch at a time.
        understood: how it is read (columns, order, unit), for the summary and the shards.
    """

    format: str
    holds: Literal["jets", "events"]
    total: int
    stream: Callable[[str], Iterator[UnselectedJets]]
    understood: dict[str, Any] = field(default_factory=dict)


@contextlib.contextmanager
def reading(path: Path, what: str = "it") -> Iterator[None]:
    """Turns whatever a format's own library raises about a damaged file into one message."""
    try:
        yield
    except (CannotImport, ImportError):
        raise
    except Exception as error:
        words = " ".join(str(error).split())[:200]
        raise CannotImport(
            f"{path}: damaged or truncated, {what} cannot be read ({type(error).__name__}: {words}); "
            "fetch the file again. Nothing was imported"
        ) from error


def read_each(path: Path, items: Iterable[T], what: str = "it") -> Iterator[T]:
    """The items of a library's iterator, with its errors as in :func:`reading`."""
    iterator = iter(items)
    while True:
        with reading(path, what):
            try:
                item = next(iterator)
            except StopIteration:
                return
        yield item


def require(*modules: str, extra: str = "import") -> None:
    """Raises ImportError with the command that mends it where a library is missing."""
    missing = [name for name in modules if importlib.util.find_spec(name) is None]
    if missing:
        raise ImportError(f"this format needs {', '.join(missing)}: pip install 'darkclr_ray[{extra}]'")


def pick(path: Path, kind: str, choices: list[str], asked: str | None) -> str:
    """The one choice, or the one asked for; where it is open, CannotImport lists the choices."""
    if asked is not None and asked in choices:
        return asked
    if asked is None and len(choices) == 1:
        return choices[0]
    found = ", ".join(choices) or "none"
    what = f"no {kind} {asked!r} in it" if asked is not None else f"which {kind}?" if choices else f"no {kind} in it"
    raise CannotImport(f"{path}: {what} Say --dataset NAME; usable here: {found}")
