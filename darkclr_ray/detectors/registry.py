"""Find detectors by name: those in the modules of this package, and classes of users (`darkclr_ray.plugins`)."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from functools import cache
from typing import Any

import darkclr_ray.detectors
from darkclr_ray import plugins
from darkclr_ray.detectors.base import AnomalyDetector
from darkclr_ray.detectors.display import Display
from darkclr_ray.settings import StudySettings


def names() -> tuple[str, ...]:
    """Return the sorted names of the detectors in this package.

    >>> "s_NAE" in names(), "multiplicity" in names()
    (True, True)
    """
    return tuple(sorted(_shipped()))


def find(entry: str) -> type[AnomalyDetector[Any]]:
    """Return the detector class of this name, or a user's class that is given as "module:name".

    Raises ValueError if there is no such class, or if it is not derived from `AnomalyDetector`.

    >>> find("multiplicity") is find("darkclr_ray.detectors.multiplicity:Multiplicity")
    True
    """
    found = plugins.find("detectors", entry, _shipped())
    if not (isinstance(found, type) and issubclass(found, AnomalyDetector)):
        raise ValueError(f"detector {entry!r} is not a class derived from {AnomalyDetector.__module__}.AnomalyDetector")
    return found


def display_of(name: str) -> Display | None:
    """Return how reports show a detector of this package; None for any other name."""
    cls = _shipped().get(name)
    return None if cls is None else cls.display


def make(entry: str, settings: StudySettings) -> AnomalyDetector[Any]:
    """Return an unfitted detector of this entry (see `find`), configured by a study's settings."""
    return find(entry).from_settings(settings)


@cache
def _shipped() -> dict[str, type[AnomalyDetector[Any]]]:
    """Import every module of this folder and return its detector classes by name, without any list to maintain."""
    found: dict[str, type[AnomalyDetector[Any]]] = {}
    for file in pkgutil.iter_modules(darkclr_ray.detectors.__path__, f"{darkclr_ray.detectors.__name__}."):
        module = importlib.import_module(file.name)
        for cls in vars(module).values():
            own = isinstance(cls, type) and issubclass(cls, AnomalyDetector) and cls.__module__ == file.name
            if own and not inspect.isabstract(cls):
                assert cls.name not in found, f"two detectors are called {cls.name}"
                found[cls.name] = cls
    return found
