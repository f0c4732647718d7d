"""Diagnostic baseline that uses the jet pT: harder jets are more anomalous.

Where the pT spectrum of background falls more steeply than that of a signal, as in the starter set, pT alone separates
them before matching. A method that exceeds random guessing by no more than this baseline has only found the spectrum;
the pT-matched version of every result shows whether this is the case.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from darkclr_ray.detectors.display import GREY, Display, Style
from darkclr_ray.detectors.observable import ObservableCut
from darkclr_ray.jets.packed import Jets


class JetPt(ObservableCut):
    """Score jets by their pT in GeV."""

    name = "jet_pt"
    title = "jet pT"
    display = Display("jet p<sub>T</sub>", Style(GREY, "dot", "triangle-right"), order=62)

    def score(self, jets: Jets) -> NDArray[np.float64]:
        return jets.pt.astype(np.float64)
