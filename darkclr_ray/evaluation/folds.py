"""Disjoint parts of a sample, cut by event: for cross-validation, and to see what the choice of a test sample does."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from darkclr_ray.randomness import keyed_generator


def event_folds(events: ArrayLike, parts: int, *, seed: int) -> NDArray[np.int64]:
    """A number from 0 to ``parts`` - 1 for each jet, the same for jets of one event.

    >>> event_folds([5, 5, 9], 2, seed=1).tolist() in ([0, 0, 1], [1, 1, 0])
    True

    Raises:
        ValueError: fewer events than parts, or less than one part.
    """
    names, event = np.unique(np.asarray(events), return_inverse=True)
    if not 1 <= parts <= len(names):
        raise ValueError(f"{parts} parts of {len(names)} events: expected at least one part, and one event in each")
    part: NDArray[np.int64] = keyed_generator("parts", seed).permutation(len(names)) % parts
    return part[event]
