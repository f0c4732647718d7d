"""Poisson bootstrap over events, which draws the two jets of an event together because they are correlated."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from darkclr_ray.randomness import KeyedRNG

WORD = 8
"""Number of replicas that are drawn from one random word of 64 bits."""

STEPS = (94, 189, 235, 251, 255)
"""Smallest random byte with which an event occurs 1, 2, ... 5 times.

The probabilities are multiples of 1/256 within 0.005 of those of the Poisson distribution with mean 1, chosen such that
mean and variance are exactly 1; the third and fourth central moments are 0.98 and 3.81 instead of 1 and 4.
"""


class Draws:
    """How often each of N jets occurs in the replicas of a Poisson bootstrap over events.

    Each event occurs in each replica a number of times that is independent of all others, with mean and variance 1
    (Poisson bootstrap: Chamandy et al., Estimating uncertainty for massive data streams (2012); independent weights:
    Praestgaard and Wellner, Ann. Prob. 21 (1993) 2053). The numbers depend only on the seed, the kind of sample, the
    event and the replica. Every detector and every signal is thus evaluated in the same replicas, also if jets are
    drawn in parts or in another order.

    Args:
        events: event of each jet, integers (N,).
        seed: seed of the bootstrap.
        sample: kind of sample, such as "background"; events of different kinds are drawn independently.

    >>> draws = Draws([7, 8, 7], seed=1, sample="background")
    >>> counts = draws.counts(slice(0, 3), range(2))
    >>> counts.shape, bool((counts[0] == counts[2]).all()), bool((counts[0] == counts[1]).all())
    ((3, 16), True, False)

    Raises:
        ValueError: events that are not integers.
    """

    def __init__(self, events: ArrayLike, *, seed: int, sample: str) -> None:
        ids = np.asarray(events)
        if ids.dtype.kind not in "iu":
            raise ValueError(f"events of type {ids.dtype}: expected the integers that identify events")
        self._keyed = KeyedRNG.keyed_by(ids, "bootstrap", sample, seed)

    def counts(self, jets: slice | NDArray[np.int64], words: range) -> NDArray[np.float32]:
        """Return how often the jets occur in the replicas of ``words``, (jets, 8 words): 0 to 5."""
        random = self._keyed.of(jets).random_bytes(words)
        counts = (random >= STEPS[0]).view(np.uint8)
        for step in STEPS[1:]:
            counts += (random >= step).view(np.uint8)
        return counts.astype(np.float32)


def words_of(replicas: int) -> int:
    """Return the number of random words for so many replicas. Raises ValueError if it is less than one replica."""
    if replicas < 1:
        raise ValueError(f"{replicas} bootstrap replicas: expected at least 1 (200 for an error bar, 1000 for a claim)")
    return -(-replicas // WORD)


def percentiles(replicas: NDArray[np.float64], level: float) -> NDArray[np.float64]:
    """Return the ends, (2, ...), of the central interval that contains the fraction ``level`` of replicas (R, ...).

    Replicas that are nan, because no event occurs in them, do not count.

    >>> percentiles(np.arange(101.0), 0.5).tolist()
    [25.0, 75.0]

    Raises:
        ValueError: a level outside (0, 1), or no replica with an event.
    """
    if not 0.0 < level < 1.0:
        raise ValueError(f"level {level}: expected a number between 0 and 1, such as 0.6827 or 0.95")
    drawn = replicas[~np.isnan(replicas).reshape(len(replicas), -1).any(axis=1)]
    if len(drawn) == 0:
        raise ValueError(f"no event occurs in any of {len(replicas)} bootstrap replicas: use more jets or replicas")
    tail = 0.5 * (1.0 - level)
    ends: NDArray[np.float64] = np.quantile(drawn, [tail, 1.0 - tail], axis=0)
    return ends
