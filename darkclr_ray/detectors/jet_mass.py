"""Baseline that uses the jet mass, the oldest observable of jet substructure: heavier jets are more anomalous."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from darkclr_ray.detectors.display import OLIVE, Display, Style
from darkclr_ray.detectors.observable import ObservableCut
from darkclr_ray.jets.packed import Jets


class JetMass(ObservableCut):
    """Score jets by their mass in GeV."""

    name = "jet_mass"
    title = "jet mass"
    display = Display("jet mass", Style(OLIVE, "dot", "triangle-down"), order=61)

    def score(self, jets: Jets) -> NDArray[np.float64]:
        return jets.mass.astype(np.float64)
