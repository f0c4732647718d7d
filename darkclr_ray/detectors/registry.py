"""The detectors by name: every file of this folder, and other people's classes (`darkclr_ray.plugins`)."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from functools import cache
from typing import Any

import darkclr_ray.detectors
from darkclr_ray import plugins
from darkclr_ray.detectors.base import AnomalyDetector
from darkclr_ray.settings import StudySettings


def names() -> tuple[str, ...]:
    """Names of the detectors that come with the package.

    >>> "s_NAE" in names(), "multiplicity" in names()
    (True, True)
    """
    return tuple(sorted(_shipped()))


def find(entry: str) -> type[AnomalyDetector[Any]]:
    """The detector of this name, or, written as module:name, a class of somebody's own.

    Raises ValueError where there is none, or where it is no detector.

    >>> find("multiplicity") is find("darkclr_ray.detectors.multiplicity:Multiplicity")
    True
    """
    found = plugins.find("detectors", entry, _shipped())
    if not (isinstance(found, type) and issubclass(found, AnomalyDetector)):
        raise ValueError(f"detector {entry!r} is not a class derived from {AnomalyDetector.__module__}.AnomalyDetector")
    return found


def make(entry: str, settings: StudySettings) -> AnomalyDetector[Any]:
    """The detector of this entry (see `find`) that a study's settings ask for, not fitted yet."""
    return find(entry).from_settings(settings)


@cache
def _shipped() -> dict[str, type[AnomalyDetector[Any]]]:
    """Import every file of this folder, so that adding one is all that a new detector takes."""
    found: dict[str, type[AnomalyDetector[Any]]] = {}
    for file in pkgutil.iter_modules(darkclr_ray.detectors.__path__, f"{darkclr_ray.detectors.__name__}."):
        module = importlib.import_module(file.name)
        for cls in vars(module).values():
            own = isinstance(cls, type) and issubclass(cls, AnomalyDetector) and cls.__module__ == file.name
            if own and not inspect.isabstract(cls):
                assert cls.name not in found, f"two detectors are called {cls.name}"
                found[cls.name] = cls
    return found
