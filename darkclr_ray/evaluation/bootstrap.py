"""Bootstrap over events, which draws the two jets of an event together because they are correlated."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

import numpy as np
from numpy.typing import ArrayLike, NDArray

from darkclr_ray.randomness import keyed_generator


def resampled(
    background_events: ArrayLike, signal_events: ArrayLike, *, seed: int, replicas: int, shared: bool = False
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """Yield for each replica how often each background jet (B,) and each signal jet (S,) occurs in it.

    A replica draws as many events as there are, with replacement (Efron, Ann. Stat. 7 (1979) 1; clusters as in Davison
    and Hinkley, Bootstrap Methods (1997), Sec. 3.8). Background and signal are drawn separately, unless they share
    their events, as jets and views of them do. The draws of the background depend only on the seed and the events, so
    that every score and every signal is evaluated on the same replicas.

    >>> [(b.tolist(), s.tolist()) for b, s in resampled([7, 7], [3], seed=1, replicas=2)]
    [([1, 1], [1]), ([1, 1], [1])]
    >>> all(b[0] == s[0] for b, s in resampled([7, 8], [7], seed=1, replicas=9, shared=True))
    True

    Raises:
        ValueError: less than one replica.
    """
    if replicas < 1:
        raise ValueError(f"{replicas} bootstrap replicas: expected at least 1 (200 for an error bar, 1000 for a claim)")
    if shared:
        of_both = np.concatenate([np.asarray(background_events), np.asarray(signal_events)])
        both = _draws(of_both, keyed_generator("bootstrap", "background", seed))
        for counts in islice(both, replicas):
            yield counts[: np.size(background_events)], counts[np.size(background_events) :]
        return
    background = _draws(background_events, keyed_generator("bootstrap", "background", seed))
    signal = _draws(signal_events, keyed_generator("bootstrap", "signal", seed))
    for _ in range(replicas):
        yield next(background), next(signal)


def _draws(events: ArrayLike, generator: np.random.Generator) -> Iterator[NDArray[np.int64]]:
    names, event = np.unique(np.asarray(events), return_inverse=True)
    while True:
        counts = np.bincount(generator.integers(len(names), size=len(names)), minlength=len(names))
        yield counts[event]


def percentiles(replicas: NDArray[np.float64], level: float) -> NDArray[np.float64]:
    """Return the ends, (2, ...), of the central interval that contains the fraction ``level`` of replicas (R, ...).

    >>> percentiles(np.arange(101.0), 0.5).tolist()
    [25.0, 75.0]

    Raises:
        ValueError: a level outside (0, 1).
    """
    if not 0.0 < level < 1.0:
        raise ValueError(f"level {level}: expected a number between 0 and 1, such as 0.6827 or 0.95")
    tail = 0.5 * (1.0 - level)
    ends: NDArray[np.float64] = np.quantile(replicas, [tail, 1.0 - tail], axis=0)
    return ends
