"""Find transformations by name, in this package or in plugins (`darkclr_ray.plugins`), and define their interface."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable
from functools import cache
from typing import ClassVar, Protocol, Self, TypeGuard, TypeVar

import numpy as np
from numpy.typing import NDArray

import darkclr_ray.augmentations
from darkclr_ray import plugins
from darkclr_ray.jets.cambridge_aachen import ClusterTree
from darkclr_ray.jets.packed import Packed
from darkclr_ray.randomness import KeyedRNG
from darkclr_ray.settings import InputSettings, ViewSettings


class Augmentation(Protocol):
    """Interface of a transformation: a value without state that can be applied to jets.

    Attributes:
        draws_of_views: number of the draw that the anchor, the positive and the anomalous view use. Views with the same
            number use the same random numbers.
    """

    draws_of_views: ClassVar[tuple[int, int, int]]

    @classmethod
    def from_settings(cls, views: ViewSettings, inputs: InputSettings) -> Self:
        """Return the transformation with the parameters of a study."""

    def __call__(self, constituents: NDArray[np.float32], offsets: NDArray[np.int64], draws: KeyedRNG) -> Packed:
        """Return the transformed jets as new arrays; the arguments are not changed.

        Args:
            constituents: float32 (M, 3), pT in GeV, eta and phi relative to the pT centroid of the untouched jet.
                Stored by columns: ``constituents[:, 1]`` is contiguous.
            offsets: int64 (B + 1,), from 0 to M, at least one constituent a jet.
            draws: the only source of random numbers.

        Returns:
            Constituents float32 (M', 3) and offsets int64 (B + 1,), at least one constituent per jet. The result for a
            jet must not depend on other jets: sum within jets (``np.add.reduceat``), never over a batch.
        """


class TreeAugmentation(Augmentation, Protocol):
    """Interface of a transformation that uses the Cambridge/Aachen trees of the jets.

    Attributes:
        takes_tree: true. The first transformation of a view gets the trees of the untransformed jets, which are
            computed once for all epochs.
    """

    takes_tree: bool

    def __call__(
        self,
        constituents: NDArray[np.float32],
        offsets: NDArray[np.int64],
        draws: KeyedRNG,
        tree: ClusterTree | None = None,
    ) -> Packed:
        """Return the transformed jets as `Augmentation` does; ``tree`` defaults to the trees of the arguments."""


Class = TypeVar("Class", bound=type[Augmentation])

_REGISTERED: dict[str, type[Augmentation]] = {}


def register(name: str) -> Callable[[Class], Class]:
    """Return a class decorator that registers a transformation under ``name``, for use in the settings."""

    def add(transformation: Class) -> Class:
        assert name not in _REGISTERED or _REGISTERED[name].__module__ == transformation.__module__
        _REGISTERED[name] = transformation
        return transformation

    return add


def names() -> tuple[str, ...]:
    """Return the sorted names of all transformations, including those of installed plugins.

    >>> names()
    ('angular_shift', 'branch_dropping', 'cell_dropping', 'dropping', 'hardness_dropping', 'mixture', 'pt_power',
     'recentring', 'rotation', 'smearing', 'splitting', 'translation')
    """
    _import_files()
    return tuple(sorted({*_REGISTERED, *plugins.names("augmentations")}))


def find(name: str) -> type[Augmentation]:
    """Return the transformation of this name, or a user's class that is given as "module:name".

    Raises ValueError if there is no such class, or if it is not a transformation.

    >>> find("rotation").__name__
    'Rotation'
    """
    _import_files()
    found = plugins.find("augmentations", name, _REGISTERED)
    missing = [part for part in ("draws_of_views", "from_settings", "__call__") if not hasattr(found, part)]
    if not isinstance(found, type) or missing:
        lacks = f"it has no {', '.join(missing)}" if missing else "it is no class"
        raise ValueError(f"augmentation {name!r}: {lacks}; see {Augmentation.__module__}.Augmentation")
    return found


def takes_tree(augmentation: Augmentation) -> TypeGuard[TreeAugmentation]:
    """Return whether a transformation uses the Cambridge/Aachen trees of the jets."""
    return bool(getattr(augmentation, "takes_tree", False))


def apply(augmentation: Augmentation, packed: Packed, draws: KeyedRNG, tree: ClusterTree | None = None) -> Packed:
    """Return the transformed jets; ``tree`` holds the trees of the jets in ``packed`` if they are known."""
    return augmentation(*packed, draws, tree) if takes_tree(augmentation) else augmentation(*packed, draws)


def check(views: ViewSettings) -> None:
    """Raise ValueError, with the setting, if the views name an unknown transformation."""
    for view in ("anchor", "positive", "anomalous"):
        for name in getattr(views, view):
            try:
                find(name)
            except ValueError as error:
                raise ValueError(f"views.{view} = {name}: {error}") from error
    for name in families(views):
        try:
            find(name)
        except ValueError as error:
            raise ValueError(f"views.mixture = {name}: {error}") from error


def families(views: ViewSettings) -> tuple[str, ...]:
    """Return the names of the transformations in the mixture of these views; empty if no view has a mixture.

    >>> families(ViewSettings()), families(ViewSettings(anomalous=("mixture",)))
    ((), ('dropping', 'branch_dropping'))
    """
    mixed = "mixture" in (*views.anchor, *views.positive, *views.anomalous)
    return tuple(name for name, _ in views.mixture) if mixed else ()


def plugin_modules(views: ViewSettings) -> tuple[str, ...]:
    """Return the modules outside this package that make the views; their code is part of a training's key.

    >>> plugin_modules(ViewSettings())
    ()
    """
    names = *views.anchor, *views.positive, *views.anomalous, *families(views)
    chosen = {find(name).__module__ for name in names}
    return tuple(sorted(module for module in chosen if module.split(".")[0] != __package__.split(".")[0]))


@cache
def _import_files() -> None:
    """Import every module of this folder, so that a new transformation needs no other entry."""
    for module in pkgutil.iter_modules(darkclr_ray.augmentations.__path__):
        importlib.import_module(f"{darkclr_ray.augmentations.__name__}.{module.name}")
