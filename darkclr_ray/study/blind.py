"""Anomalies without a signal, for the signal-blind objective: background jets with some constituents dropped."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from darkclr_ray.augmentations.dropping import Dropping
from darkclr_ray.augmentations.randomness import Draws
from darkclr_ray.jets.packed import Jets
from darkclr_ray.settings import InputSettings


def anomalous_views(jets: Jets, inputs: InputSettings, p_drop: Sequence[float], seed: int) -> Jets:
    """Each jet with constituents dropped, at the first, second, ... of the probabilities in turn; its pT is restored.

    The mix belongs to the study, not to a trial: a trial with an easy anomaly of its own would otherwise win.
    """
    hardest = jets.hardest(inputs.constituents)
    parts = []
    for first, probability in enumerate(p_drop):
        some = hardest.take(np.arange(first, len(jets), len(p_drop)))
        if len(some):
            draws = Draws.keyed(some.ids, seed=seed, epoch=0, transformation="signal_blind", draw=0)
            constituents, offsets = Dropping(probability)(some.constituents, some.offsets, draws)
            parts.append(Jets(np.ascontiguousarray(constituents), offsets, some.ids, some.events, some.kinematics))
    return Jets.concatenate(parts)
