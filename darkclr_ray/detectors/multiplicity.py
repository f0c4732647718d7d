"""A jet is the stranger the fewer constituents it has: the one-line cut that every method has to beat."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from darkclr_ray.detectors.observable import ObservableCut
from darkclr_ray.jets.packed import Jets


class Multiplicity(ObservableCut):
    """Minus the number of constituents, all of them counted."""

    name = "multiplicity"
    title = "few constituents"

    def score(self, jets: Jets) -> NDArray[np.float64]:
        return -jets.multiplicity.astype(np.float64)
