"""A jet is the stranger the harder it is: no method, but a warning light.

QCD falls steeply in jet pT and signals do not, so that this alone separates them before matching. What beats a method
by no more than it beats this has found the spectrum; the pT-matched twin of every result tells the two apart.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from darkclr_ray.detectors.observable import ObservableCut
from darkclr_ray.jets.packed import Jets


class JetPt(ObservableCut):
    """The jet's pT in GeV."""

    name = "jet_pt"
    title = "jet pT"

    def score(self, jets: Jets) -> NDArray[np.float64]:
        return jets.pt.astype(np.float64)
