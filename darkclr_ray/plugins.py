"""Find plugins by their entry point in an installed package, or by ``module:name``.

A package declares its plugins in its ``pyproject.toml``:

    [project.entry-points."darkclr_ray.augmentations"]
    soft_dropping = "my_package.views:SoftDropping"

Once it is installed, ``soft_dropping`` can be used like the names of darkclr_ray. A single file needs no package:
``my_views:SoftDropping`` is imported from Python's search path, with the working folder last. On a cluster the module
must exist on every node. The kinds of plugins are augmentations, detectors, objectives and samples.
"""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Mapping
from contextlib import suppress
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import Any, TypeVar

from darkclr_ray.messages import nearest

Known = TypeVar("Known")

IMPORT_FOLDERS = "DARKCLR_IMPORT_FOLDERS"
"""Environment variable of workers: `import_folders` of the process that started or joined Ray."""


def names(kind: str) -> tuple[str, ...]:
    """Return the names that installed packages declare for a kind."""
    return tuple(sorted(_announced(kind)))


def module_of(kind: str, entry: str) -> str | None:
    """Return the module that an entry names or that a package declares for it, or None, without importing it.

    >>> module_of("objectives", "mine:median"), module_of("objectives", "matched")
    ('mine', None)
    """
    if ":" in entry:
        return entry.partition(":")[0]
    return _announced(kind)[entry].module if entry in _announced(kind) else None


def find(kind: str, entry: str, shipped: Mapping[str, Known]) -> Known | Any:
    """Return the object for ``entry``: one of ``shipped``, a declared plugin, or the attribute of a module.

    Args:
        kind: augmentations, detectors, objectives or samples.
        entry: name, or module:name.
        shipped: objects of this package, by name.

    Raises:
        ValueError: the name is unknown, or its module cannot be imported; the message has the nearest name.
    """
    if ":" in entry:
        return _attribute(kind, entry)
    if entry in shipped:
        return shipped[entry]
    if entry in _announced(kind):
        return _loaded(kind, entry)
    known = sorted([*shipped, *names(kind)])
    raise ValueError(f"unknown {kind[:-1]} {entry!r}{nearest(entry, known)}; one of your own is written as module:name")


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
    """Let this process import modules from the working folder, after all other places."""
    here = os.getcwd()
    if here not in sys.path:
        sys.path.append(here)


def import_folders() -> str:
    """Return the working folder, and the folder of the script that runs if modules are imported from it."""
    script = os.path.dirname(os.path.realpath(sys.argv[0]))
    return os.pathsep.join([os.getcwd(), *([script] if script in sys.path else [])])


def enter_working_folder() -> None:
    """Give a worker of Ray the folders that `IMPORT_FOLDERS` names, as far as its node has them: the first one as its
    working folder, and all of them for imports, after all other places."""
    folders = [folder for folder in os.environ[IMPORT_FOLDERS].split(os.pathsep) if os.path.isdir(folder)]
    with suppress(OSError, IndexError):
        os.chdir(folders[0])
    sys.path.extend(folder for folder in folders if folder not in sys.path)


def words(error: Exception) -> str:
    """Return an error in one line, with its type if the message alone is not sufficient."""
    text = " ".join(str(error).split())
    return text if isinstance(error, ImportError | AttributeError) and text else f"{type(error).__name__}: {text}"
