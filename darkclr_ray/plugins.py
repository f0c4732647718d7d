"""Other people's code: found by its entry point in an installed package, or by ``module:name``.

A package announces what it brings in its own ``pyproject.toml``:

    [project.entry-points."darkclr_ray.augmentations"]
    soft_dropping = "my_package.views:SoftDropping"

and from then on ``soft_dropping`` is a name like those that come with darkclr_ray. A single file needs no package:
``my_views:SoftDropping`` is looked up where Python finds modules, the working folder last. On a cluster the module must
be there on every node. The kinds are augmentations, detectors, objectives and samples.
"""

from __future__ import annotations

import difflib
import importlib
import os
import sys
from collections.abc import Mapping
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import Any, TypeVar

Known = TypeVar("Known")


def names(kind: str) -> tuple[str, ...]:
    """Names that installed packages announce for a kind."""
    return tuple(sorted(_announced(kind)))


def module_of(kind: str, entry: str) -> str | None:
    """The module that an entry names or that a package announces for it, without importing it; None for other names.

    >>> module_of("objectives", "mine:median"), module_of("objectives", "matched")
    ('mine', None)
    """
    if ":" in entry:
        return entry.partition(":")[0]
    return _announced(kind)[entry].module if entry in _announced(kind) else None


def find(kind: str, entry: str, shipped: Mapping[str, Known]) -> Known | Any:
    """What ``entry`` means: one of ``shipped``, something announced, or the attribute of a module.

    Args:
        kind: augmentations, detectors, objectives or samples.
        entry: a name, or module:name.
        shipped: what comes with darkclr_ray, by name.

    Raises:
        ValueError: there is nothing of that name, or it cannot be imported; with the nearest name.
    """
    if ":" in entry:
        return _attribute(kind, entry)
    if entry in shipped:
        return shipped[entry]
    if entry in _announced(kind):
        return _loaded(kind, entry)
    known = [*shipped, *names(kind)]
    near = difflib.get_close_matches(entry, known, 1)
    meant = f"; did you mean {near[0]!r}?" if near else ""
    raise ValueError(
        f"unknown {kind[:-1]} {entry!r}{meant} There are: {', '.join(sorted(known))}; one of your own is written as "
        f"module:name"
    )


@cache
def _announced(kind: str) -> dict[str, EntryPoint]:
    return {point.name: point for point in entry_points(group=f"darkclr_ray.{kind}")}


def _loaded(kind: str, entry: str) -> Any:
    point = _announced(kind)[entry]
    try:
        return point.load()
    except Exception as error:
        package = f" of the package {point.dist.name}" if point.dist is not None else ""
        raise ValueError(f"{kind[:-1]} {entry!r}{package} cannot be imported: {words(error)}") from error


def _attribute(kind: str, entry: str) -> Any:
    module, _, attribute = entry.partition(":")
    see_working_folder()
    try:
        return getattr(importlib.import_module(module), attribute)
    except Exception as error:
        raise ValueError(
            f"{kind[:-1]} {entry!r}: {words(error)}; expected module:name of something that Python can import here"
        ) from error


def see_working_folder() -> None:
    """Let this process, and those that it starts, import modules from the working folder, after all other places."""
    here = os.getcwd()
    if here not in sys.path:
        sys.path.append(here)
    places = [place for place in os.environ.get("PYTHONPATH", "").split(os.pathsep) if place]
    if here not in places:
        os.environ["PYTHONPATH"] = os.pathsep.join([*places, here])


def words(error: Exception) -> str:
    """An error in one line, with its kind where that says more than its message."""
    text = " ".join(str(error).split())
    return text if isinstance(error, ImportError | AttributeError) and text else f"{type(error).__name__}: {text}"
