"""Occlusion of jets: the change of a score if a part of a jet is removed (Zeiler and Fergus, ECCV 2014, Sec. 4.2)."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from darkclr_ray.jets.cambridge_aachen import cluster_tree
from darkclr_ray.jets.packed import Jets

Score = Callable[[Jets], NDArray[np.float64]]


def without_each(jet: Jets, parts: NDArray[np.integer]) -> Jets:
    """Return a jet as it is, and G copies of it that lack one part each: 1 + G jets.

    The axis, transverse momentum and mass of each are those of the sum of its own constituents, which are taken as
    massless, so that the first jet can differ from ``jet`` by what its measurement added.

    Args:
        jet: one jet with n constituents.
        parts: part of each constituent, (n,); parts are numbered from 0 to G - 1, and there are at least two.

    >>> jet = Jets.from_lists([[[9.0, 0.1, 0.0], [3.0, -0.2, 0.0], [1.0, -0.2, 0.1]]])
    >>> without_each(jet, np.array([0, 1, 1])).multiplicity.tolist()
    [3, 2, 1]

    Raises:
        ValueError: not one jet, or a part that contains all constituents.
    """
    if len(jet) != 1:
        raise ValueError(f"{len(jet)} jets: expected one, whose parts are removed")
    padded = np.repeat(jet.constituents[None].astype(np.float64), 1 + int(parts.max()) + 1, axis=0)
    padded[:, :, 1:] += jet.kinematics[0, 1:3]
    copies, constituents = np.nonzero(parts[None] == np.arange(len(padded) - 1)[:, None])
    padded[1 + copies, constituents, 0] = 0.0
    return Jets.from_numpy(padded)


def occlusion(score: Score, jet: Jets, parts: NDArray[np.integer]) -> NDArray[np.float64]:
    """Return the change of the score if one part of a jet is removed, for each of its G parts, (G,).

    Arguments and errors are those of `without_each`; ``score`` returns one score per jet.

    >>> jet = Jets.from_lists([[[9.0, 0.1, 0.0], [3.0, -0.2, 0.0], [1.0, -0.2, 0.1]]])
    >>> occlusion(lambda jets: jets.multiplicity.astype(float), jet, np.array([0, 1, 1])).tolist()
    [-1.0, -2.0]
    """
    scores = score(without_each(jet, parts))
    changes: NDArray[np.float64] = scores[1:] - scores[0]
    return changes


def branches(jet: Jets, size: float) -> NDArray[np.int64]:
    """Return the branch of each constituent of one jet, (n,), numbered from 0 in the order of their first constituents.

    Branches are the clusters of the jet's Cambridge/Aachen tree at an angular size Delta R.

    >>> jet = Jets.from_lists([[[9.0, 0.1, 0.0], [3.0, -0.2, 0.0], [1.0, -0.2, 0.1]]])
    >>> branches(jet, 0.2).tolist()
    [0, 1, 1]
    """
    clusters = cluster_tree(jet.constituents, jet.offsets).clusters(jet.offsets, size)
    return np.unique(clusters, return_inverse=True)[1].astype(np.int64)
