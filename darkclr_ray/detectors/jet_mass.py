"""A jet is the stranger the heavier it is: the oldest observable of jet substructure."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from darkclr_ray.detectors.observable import ObservableCut
from darkclr_ray.jets.packed import Jets


class JetMass(ObservableCut):
    """The jet's mass in GeV."""

    name = "jet_mass"
    title = "jet mass"

    def score(self, jets: Jets) -> NDArray[np.float64]:
        return jets.mass.astype(np.float64)
