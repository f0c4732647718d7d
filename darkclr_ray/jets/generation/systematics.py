"""Background variations by name, each of which changes one uncertain part of the simulation.

Jets of a variation are in a folder ``qcd_<name>`` with "variation" in their metadata. Variations of the detector use
the same collisions as the nominal background of the same generator seed, so that differences are due to the detector.
"""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

from darkclr_ray.jets.generation.detector_response import DetectorResponse
from darkclr_ray.jets.generation.events import Variation


class Systematic(BaseModel):
    """Background variation.

    Attributes:
        words: description of the change, for a caption.
        variation, detector: the settings that replace the nominal ones.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    words: str
    variation: Variation = Variation()
    detector: DetectorResponse = DetectorResponse()


SYSTEMATICS: dict[str, Systematic] = {
    "quarks": Systematic(words="hard processes that end in two quarks", variation=Variation(processes="quarks")),
    "gluons": Systematic(words="hard processes that end in two gluons", variation=Variation(processes="gluons")),
    "shower_half": Systematic(words="shower scale x 1/2", variation=Variation(final_scale=0.5, initial_scale=0.5)),
    "shower_double": Systematic(words="shower scale x 2", variation=Variation(final_scale=2.0, initial_scale=2.0)),
    "no_mpi": Systematic(words="no multi-parton interactions", variation=Variation(interactions=False)),
    "resolution_worse": Systematic(
        words="resolutions x 1.5", detector=DetectorResponse(track_resolution=1.5, calorimeter_resolution=1.5)
    ),
    "resolution_better": Systematic(
        words="resolutions / 1.5", detector=DetectorResponse(track_resolution=1 / 1.5, calorimeter_resolution=1 / 1.5)
    ),
    "tracks_lost": Systematic(words="5% fewer tracks", detector=DetectorResponse(track_efficiency=0.95)),
    "energy_up": Systematic(
        words="calorimeters read 3% more", detector=DetectorResponse(ecal_scale=1.03, hcal_scale=1.03)
    ),
    "energy_down": Systematic(
        words="calorimeters read 3% less", detector=DetectorResponse(ecal_scale=0.97, hcal_scale=0.97)
    ),
    "significance_double": Systematic(
        words="significance asked of calorimeter deposits x 2", detector=DetectorResponse(significance=2.0)
    ),
}
"""Variations relative to the nominal background; the renormalisation scales of both showers are changed together."""

_PREFIX = "qcd_"


def variant_name(systematic: str) -> str:
    """Return the name of a variation's folder.

    >>> variant_name("quarks"), systematic_of("qcd_quarks"), systematic_of("qcd")
    ('qcd_quarks', 'quarks', None)
    """
    return _PREFIX + systematic


def systematic_of(sample: str) -> str | None:
    """Return which of `SYSTEMATICS` a sample's name refers to, or None for any other sample."""
    name = sample.removeprefix(_PREFIX)
    return name if sample.startswith(_PREFIX) and name in SYSTEMATICS else None
