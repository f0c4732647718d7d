"""Contaminate background with a small fraction of signal, as in data, to test the training without labels."""

from __future__ import annotations

import numpy as np

from darkclr_ray.jets.packed import Jets, TrainingSample
from darkclr_ray.randomness import keyed_generator


def contaminated(background: Jets, signal: Jets, fraction: float, *, seed: int) -> TrainingSample:
    """Return the background sample with round(fraction x B) of its B jets replaced by signal jets at random positions.

    The size does not change, so that fractions differ only in the contamination; a larger fraction contains the signal
    jets of a smaller one at the same positions. The result has no labels.

    Args:
        background: B background jets.
        signal: signal jets, at least round(fraction x B).
        fraction: fraction of signal in the result, in [0, 1).
        seed: seed of the choice of jets and positions.

    >>> jets = [Jets.from_lists([[[pt, 0.0, 0.0]]] * 10) for pt in (1.0, 2.0)]
    >>> mixed = contaminated(*jets, 0.3, seed=1)
    >>> len(mixed), int((mixed.jets.pt == 2.0).sum())
    (10, 3)

    Raises:
        ValueError: the fraction is outside [0, 1), or there are too few signal jets.
    """
    if not 0.0 <= fraction < 1.0:
        raise ValueError(f"a contamination of {fraction:g}: expected a fraction in [0, 1), such as 0.01")
    count = round(fraction * len(background))
    if count > len(signal):
        raise ValueError(
            f"a contamination of {fraction:g} of {len(background)} jets takes {count} signal jets, "
            f"and there are {len(signal)}; provide more, or choose a smaller fraction"
        )
    generator = keyed_generator("contamination", seed)
    places = generator.permutation(len(background))[:count]
    chosen = generator.permutation(len(signal))[:count]
    rows = np.arange(len(background))
    rows[places] = len(background) + chosen
    return TrainingSample(Jets.concatenate([background, signal]).take(rows))
