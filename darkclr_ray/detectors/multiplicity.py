"""Baseline that uses the number of constituents: jets with fewer constituents are more anomalous (Sec. 3.2)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from darkclr_ray.detectors.display import GREEN, Display, Style
from darkclr_ray.detectors.observable import ObservableCut
from darkclr_ray.jets.packed import Jets


class Multiplicity(ObservableCut):
    """Score jets by minus their number of constituents, with all constituents counted."""

    name = "multiplicity"
    title = "few constituents"
    display = Display(
        "few constituents",
        Style(GREEN, "dash", "triangle-up"),
        order=60,
        prominent=True,
        phrase="a cut on the number of constituents",
    )

    def score(self, jets: Jets) -> NDArray[np.float64]:
        return -jets.multiplicity.astype(np.float64)
