"""A jet is the stranger the harder it is: no method, but a warning light.

Where background falls more steeply in jet pT than a signal, as in the starter set, this alone separates them before
matching. A method that beats chance by no more than this does has found the spectrum; the pT-matched twin of every
result tells the two apart.
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
