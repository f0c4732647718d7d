"""Split a sample into disjoint parts by event, for cross-validation and to measure the effect of the test sample."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from darkclr_ray.randomness import keyed_generator


def event_folds(events: ArrayLike, parts: int, *, seed: int) -> NDArray[np.int64]:
    """Return the index of the part of each jet, from 0 to ``parts`` - 1, which is the same for all jets of an event.

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
