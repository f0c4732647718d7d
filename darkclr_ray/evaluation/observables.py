"""High-level observables of jets: what a physicist would cut on before training anything."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from darkclr_ray.jets.packed import Jets

Floats = NDArray[np.float64]


def multiplicity(jets: Jets) -> Floats:
    """Number of constituents, (B,)."""
    return jets.multiplicity.astype(np.float64)


def pt(jets: Jets) -> Floats:
    """Transverse momentum of the jet in GeV, (B,)."""
    return jets.pt.astype(np.float64)


def mass(jets: Jets) -> Floats:
    """Mass of the jet in GeV, (B,)."""
    return jets.mass.astype(np.float64)


def pt_dispersion(jets: Jets) -> Floats:
    """sqrt(sum pT^2) / sum pT over the constituents, in (0, 1]: 1 where one carries all (CMS PAS JME-13-002, pTD).

    >>> pt_dispersion(Jets.from_lists([[[4.0, 0.0, 0.0], [3.0, 0.1, 0.0]], [[5.0, 0.0, 0.0]]])).round(4).tolist()
    [0.7143, 1.0]
    """
    hardness = _hardness(jets)
    dispersion: Floats = np.sqrt(_summed(jets, hardness**2)) / _summed(jets, hardness)
    return dispersion


def width(jets: Jets) -> Floats:
    """Girth: sum pT Delta R / sum pT, Delta R from the jet axis (Gallicchio and Schwartz, PRL 107 (2011) 172001).

    >>> width(Jets.from_lists([[[3.0, 0.1, 0.0], [1.0, 0.0, -0.5]]])).round(4).tolist()
    [0.2]
    """
    hardness = _hardness(jets)
    distance = np.hypot(jets.constituents[:, 1].astype(np.float64), jets.constituents[:, 2].astype(np.float64))
    girth: Floats = _summed(jets, hardness * distance) / _summed(jets, hardness)
    return girth


def leading_fraction(jets: Jets) -> Floats:
    """pT of the hardest constituent over sum pT, in (0, 1].

    >>> leading_fraction(Jets.from_lists([[[3.0, 0.1, 0.0], [1.0, 0.0, -0.5]]])).tolist()
    [0.75]
    """
    hardness = _hardness(jets)
    fraction: Floats = np.maximum.reduceat(hardness, jets.offsets[:-1]) / _summed(jets, hardness)
    return fraction


OBSERVABLES: dict[str, Callable[[Jets], Floats]] = {
    observable.__name__: observable for observable in (multiplicity, mass, pt_dispersion, width, leading_fraction, pt)
}
"""Observables by name. Jet pT comes last: alone it separates these signals from QCD, which is no merit of a method."""


def observable_table(jets: Jets, names: Sequence[str] = ("multiplicity", "mass", "pt_dispersion", "width")) -> Floats:
    """Observables as columns, (B, K), for trees and other simple methods.

    Raises:
        ValueError: an unknown observable.
    """
    for name in names:
        if name not in OBSERVABLES:
            raise ValueError(f"unknown observable {name!r}; there are: {', '.join(OBSERVABLES)}")
    return np.stack([OBSERVABLES[name](jets) for name in names], axis=1)


def _hardness(jets: Jets) -> Floats:
    return jets.constituents[:, 0].astype(np.float64)


def _summed(jets: Jets, values: Floats) -> Floats:
    """Sum over each jet, (B,): within a jet, so that it does not depend on the jets around it."""
    sums: Floats = np.add.reduceat(values, jets.offsets[:-1]) if len(jets) else np.zeros(0)
    return sums
