"""Scores of the jets of one sample, with what an evaluation needs beside them."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from darkclr_ray.evaluation.roc import finite


class Scored:
    """Scores of N jets of one sample.

    Args:
        scores: scores, higher = more anomalous, (N,).
        pt: transverse momenta of the jets in GeV, (N,).
        events: event of each jet, integers (N,); jets of an event are resampled together.
        what: name of the sample in messages.

    Raises:
        ValueError: no jets, a number that is not finite, or different lengths.
    """

    def __init__(self, scores: ArrayLike, pt: ArrayLike, events: ArrayLike, what: str = "jets") -> None:
        self.scores, self.pt, self.events = (
            finite(f"{what} scores", scores),
            finite(f"{what} pT", pt),
            np.asarray(events),
        )
        sizes = len(self.scores), len(self.pt), len(self.events)
        if len(set(sizes)) != 1:
            raise ValueError(f"{what}: {sizes[0]} scores, {sizes[1]} pT, {sizes[2]} events; expected one of each a jet")

    def __len__(self) -> int:
        return len(self.scores)
