"""Random toy jets that satisfy all requirements of `Jets`."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from darkclr_ray.jets.packed import Jets


def toy_jets(count: int, seed: int = 0, most: int = 20, *, least: int = 2) -> Jets:
    """Return random jets with ``least`` to ``most`` constituents, ordered by decreasing pT (in GeV).

    Positions are normally distributed around the axis; ids are random numbers.

    >>> toy_jets(3, most=2).multiplicity.tolist()
    [2, 2, 2]
    """
    random = np.random.default_rng(seed)
    sizes = random.integers(least, most + 1, count)
    rows = []
    for size in sizes:
        pt = np.sort(random.exponential(20.0, size) + 0.5)[::-1]
        rows.append(np.column_stack([pt, random.normal(0.0, 0.2, (size, 2)).clip(-0.8, 0.8)]).tolist())
    toys = Jets.from_lists(rows)
    kinematics = toys.kinematics.copy()
    kinematics[:, 1:3] = random.uniform(-2.0, 2.0, (count, 2))
    kinematics[:, 3] = kinematics[:, 0] * random.uniform(0.05, 0.2, count)
    ids = random.integers(0, 2**62, count)
    return replace(toys, ids=ids, events=ids // 2, kinematics=kinematics)


def copied(jets: Jets) -> dict[str, NDArray[Any]]:
    """Return copies of the arrays of jets by name."""
    return {field.name: getattr(jets, field.name).copy() for field in fields(jets)}
