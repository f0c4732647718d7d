"""High-level observables of jets by name, as used in cuts without any training.

All but mass and pT are computed from constituents only. z is a constituent's fraction of the summed pT, Delta R a
distance in the plane of eta and phi, and angles to the axis are those to the origin, which is the jet's axis in stored
jets. Every observable returns float64 (B,), and a jet's value does not depend on other jets.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

from darkclr_ray.jets.cambridge_aachen import Declusterings, primary_declusterings
from darkclr_ray.jets.packed import Jets, ragged_arange

Floats = NDArray[np.float64]

AT_ONCE = 2048
"""Number of jets whose pairs of constituents are in memory at the same time."""


def multiplicity(jets: Jets) -> Floats:
    """Return the number of constituents, (B,)."""
    return jets.multiplicity.astype(np.float64)


def pt(jets: Jets) -> Floats:
    """Return the transverse momentum of the jet in GeV, (B,)."""
    return jets.pt.astype(np.float64)


def mass(jets: Jets) -> Floats:
    """Return the mass of the jet in GeV, (B,)."""
    return jets.mass.astype(np.float64)


def pt_dispersion(jets: Jets) -> Floats:
    """Return sqrt(sum pT^2) / sum pT over the constituents, (B,) in (0, 1] (CMS PAS JME-13-002, pTD).

    It is 1 if one constituent has all of the pT.

    >>> pt_dispersion(Jets.from_lists([[[4.0, 0.0, 0.0], [3.0, 0.1, 0.0]], [[5.0, 0.0, 0.0]]])).round(4).tolist()
    [0.7143, 1.0]
    """
    hardness = _hardness(jets)
    dispersion: Floats = np.sqrt(_summed(jets, hardness**2)) / _summed(jets, hardness)
    return dispersion


def width(jets: Jets) -> Floats:
    """Return the girth sum pT Delta R / sum pT, (B,), with Delta R from the jet axis (PRL 107 (2011) 172001).

    >>> width(Jets.from_lists([[[3.0, 0.1, 0.0], [1.0, 0.0, -0.5]]])).round(4).tolist()
    [0.2]
    """
    hardness = _hardness(jets)
    distance = np.hypot(jets.constituents[:, 1].astype(np.float64), jets.constituents[:, 2].astype(np.float64))
    girth: Floats = _summed(jets, hardness * distance) / _summed(jets, hardness)
    return girth


def angularity(jets: Jets, beta: float) -> Floats:
    """Return the sum of z Delta R^beta, (B,), Delta R from the jet axis (Larkoski et al., JHEP 11 (2014) 129).

    beta = 0.5 is the Les Houches angularity (JHEP 07 (2017) 091), 1 the girth, and 2 the jet's thrust; Delta R is not
    divided by the jet's radius.

    >>> angularity(Jets.from_lists([[[3.0, 0.3, 0.4], [1.0, 0.0, -1.0]]]), 2.0).round(4).tolist()
    [0.4375]
    """
    eta, phi = jets.constituents[:, 1:].astype(np.float64).T
    return _summed(jets, _fractions(jets) * (eta**2 + phi**2) ** (beta / 2))


def leading_fraction(jets: Jets) -> Floats:
    """Return the pT of the hardest constituent over sum pT, (B,) in (0, 1].

    >>> leading_fraction(Jets.from_lists([[[3.0, 0.1, 0.0], [1.0, 0.0, -0.5]]])).tolist()
    [0.75]
    """
    hardness = _hardness(jets)
    fraction: Floats = np.maximum.reduceat(hardness, jets.offsets[:-1]) / _summed(jets, hardness)
    return fraction


def smallest_fraction(jets: Jets) -> Floats:
    """Return the pT of the softest constituent over sum pT, (B,) in (0, 1].

    >>> smallest_fraction(Jets.from_lists([[[3.0, 0.1, 0.0], [1.0, 0.0, -0.5]]])).tolist()
    [0.25]
    """
    fraction: Floats = np.minimum.reduceat(_fractions(jets), jets.offsets[:-1])
    return fraction


def hardest_fraction(jets: Jets, count: int) -> Floats:
    """Return the fraction of sum pT that the ``count`` hardest constituents have, (B,) in (0, 1].

    >>> hardest_fraction(Jets.from_lists([[[5.0, 0.1, 0.0], [3.0, 0.0, -0.5], [2.0, 0.0, 0.0]]]), 2).tolist()
    [0.8]
    """
    hardest = jets.hardest(count)
    return _summed(hardest, _hardness(hardest)) / _summed(jets, _hardness(jets))


def soft_constituents(jets: Jets, fraction: float) -> Floats:
    """Return the number of constituents with z below ``fraction``, (B,).

    >>> soft_constituents(Jets.from_lists([[[5.0, 0.1, 0.0], [3.0, 0.0, -0.5], [2.0, 0.0, 0.0]]]), 0.4).tolist()
    [2.0]
    """
    return _summed(jets, (_fractions(jets) < fraction).astype(np.float64))


def correlator(jets: Jets, beta: float) -> Floats:
    """Return the energy correlator e_2, the sum of z_i z_j Delta R_ij^beta over pairs i < j, (B,).

    It is ECF(2) over sum pT^2 (Larkoski, Salam and Thaler, JHEP 06 (2013) 108), and 0 for a single constituent.

    >>> correlator(Jets.from_lists([[[3.0, 0.3, 0.0], [1.0, 0.0, 0.4]], [[1.0, 0.0, 0.0]]]), 1.0).round(5).tolist()
    [0.09375, 0.0]
    """
    parts = [_correlator(jets.take(slice(start, start + AT_ONCE)), beta) for start in range(0, len(jets), AT_ONCE)]
    return np.concatenate([np.zeros(0), *parts])


def _correlator(jets: Jets, beta: float) -> Floats:
    rows, ends = np.arange(len(jets.constituents)), np.repeat(jets.offsets[1:], jets.multiplicity)
    others, starts = ragged_arange(rows + 1, ends - rows - 1)
    these = np.repeat(rows, np.diff(starts))
    z = _fractions(jets)
    eta, phi = jets.constituents[:, 1:].astype(np.float64).T
    squared = (eta[these] - eta[others]) ** 2 + (phi[these] - phi[others]) ** 2
    sums: Floats = np.bincount(these, z[these] * z[others] * squared ** (beta / 2), len(rows)).astype(np.float64)
    return _summed(jets, sums)


def subjets(jets: Jets, radius: float) -> Floats:
    """Return the number of Cambridge/Aachen subjets of this radius in the jet, without a cut on their pT, (B,).

    Moult, Necib and Thaler, JHEP 12 (2016) 153, use such counts.

    >>> subjets(Jets.from_lists([[[3.0, 0.3, 0.0], [2.0, 0.35, 0.0], [1.0, 0.0, 0.4]]]), 0.1).tolist()
    [2.0]
    """
    return _summed(jets, (jets.tree.sizes > radius).astype(np.float64))


def hard_subjets(jets: Jets, radius: float, z: float) -> Floats:
    """Return the number of Cambridge/Aachen subjets of this radius with more than a fraction ``z`` of sum pT, (B,).

    Such counts resemble the multiplicity of partons above a scale (Moult, Necib and Thaler, JHEP 12 (2016) 153).

    >>> hard_subjets(Jets.from_lists([[[3.0, 0.3, 0.0], [2.0, 0.35, 0.0], [1.0, 0.0, 0.4]]]), 0.1, 0.5).tolist()
    [1.0]
    """
    hardness = _hardness(jets)
    subjets = np.bincount(jets.tree.clusters(jets.offsets, radius), hardness, len(hardness))
    return _summed(jets, (subjets > z * np.repeat(_summed(jets, hardness), jets.multiplicity)).astype(np.float64))


def lund_emissions(jets: Jets, kt: float) -> Floats:
    """Return the number of emissions in the primary Lund plane with kt above a fraction ``kt`` of sum pT, (B,).

    kt is the softer branch's pT times Delta R of the branches (Dreyer, Salam and Soyez, JHEP 12 (2018) 064).

    >>> lund_emissions(Jets.from_lists([[[3.0, 0.3, 0.0], [2.0, 0.35, 0.0], [1.0, 0.0, 0.4]]]), 0.02).tolist()
    [1.0]
    """
    splittings = _declustered(jets)
    total = np.repeat(_summed(jets, _hardness(jets)), np.diff(splittings.offsets))
    return _counted(splittings, splittings.softer * splittings.distances > kt * total)


def hard_splittings(jets: Jets, z: float) -> Floats:
    """Return the number of splittings along the harder branch in which the softer branch has z above ``z``, (B,).

    It is the soft-drop multiplicity with z_cut = z, beta = 0 and no smallest angle (Frye et al., JHEP 09 (2017) 083).

    >>> hard_splittings(Jets.from_lists([[[3.0, 0.3, 0.0], [2.0, 0.35, 0.0], [0.1, 0.0, 0.4]]]), 0.1).tolist()
    [1.0]
    """
    splittings = _declustered(jets)
    return _counted(splittings, splittings.softer > z * (splittings.softer + splittings.harder))


OBSERVABLES: dict[str, Callable[[Jets], Floats]] = {
    "multiplicity": multiplicity,
    "mass": mass,
    "pt_dispersion": pt_dispersion,
    "width": width,
    "les_houches_angularity": partial(angularity, beta=0.5),
    "thrust": partial(angularity, beta=2.0),
    "leading_fraction": leading_fraction,
    "leading_fraction_2": partial(hardest_fraction, count=2),
    "leading_fraction_3": partial(hardest_fraction, count=3),
    "leading_fraction_5": partial(hardest_fraction, count=5),
    "leading_fraction_10": partial(hardest_fraction, count=10),
    "smallest_fraction": smallest_fraction,
    "soft_constituents": partial(soft_constituents, fraction=0.005),
    "correlator_0.2": partial(correlator, beta=0.2),
    "correlator_0.5": partial(correlator, beta=0.5),
    "correlator_1": partial(correlator, beta=1.0),
    "correlator_2": partial(correlator, beta=2.0),
    "subjets_0.05": partial(subjets, radius=0.05),
    "subjets_0.1": partial(subjets, radius=0.1),
    "subjets_0.2": partial(subjets, radius=0.2),
    "subjets_0.4": partial(subjets, radius=0.4),
    "hard_subjets_0.1_0.01": partial(hard_subjets, radius=0.1, z=0.01),
    "hard_subjets_0.1_0.03": partial(hard_subjets, radius=0.1, z=0.03),
    "hard_subjets_0.1_0.1": partial(hard_subjets, radius=0.1, z=0.1),
    "hard_subjets_0.2_0.01": partial(hard_subjets, radius=0.2, z=0.01),
    "hard_subjets_0.2_0.03": partial(hard_subjets, radius=0.2, z=0.03),
    "hard_subjets_0.2_0.1": partial(hard_subjets, radius=0.2, z=0.1),
    "lund_emissions_0.002": partial(lund_emissions, kt=0.002),
    "lund_emissions_0.005": partial(lund_emissions, kt=0.005),
    "lund_emissions_0.02": partial(lund_emissions, kt=0.02),
    "hard_splittings": partial(hard_splittings, z=0.1),
    "pt": pt,
}
"""Observables by name. Jet pT is last, because it separates these signals from QCD without any method."""


def observable_table(jets: Jets, names: Sequence[str] = ("multiplicity", "mass", "pt_dispersion", "width")) -> Floats:
    """Return observables as columns, (B, K), for trees and other simple methods.

    Raises:
        ValueError: an unknown observable.
    """
    for name in names:
        if name not in OBSERVABLES:
            raise ValueError(f"unknown observable {name!r}; there are: {', '.join(OBSERVABLES)}")
    return np.stack([OBSERVABLES[name](jets) for name in names], axis=1)


def centred(jets: Jets) -> Jets:
    """Return the jets with eta and phi relative to the pT-weighted mean of their constituents.

    >>> centred(Jets.from_lists([[[3.0, 0.4, 0.0], [1.0, 0.0, 0.0]]])).constituents[:, 1].round(3).tolist()
    [0.1..., -0.3...]
    """
    hardness, total = _hardness(jets), _summed(jets, _hardness(jets))
    constituents = jets.constituents.copy()
    for axis in (1, 2):
        centroid = _summed(jets, hardness * constituents[:, axis]) / total
        constituents[:, axis] -= np.repeat(centroid, jets.multiplicity)
    return replace(jets, constituents=constituents)


_DECLUSTERED: WeakKeyDictionary[Jets, Declusterings] = WeakKeyDictionary()


def _declustered(jets: Jets) -> Declusterings:
    """Return the splittings along the harder branches, cached per jets, since several observables use them."""
    if jets not in _DECLUSTERED:
        _DECLUSTERED[jets] = primary_declusterings(jets.tree, jets.constituents, jets.offsets)
    return _DECLUSTERED[jets]


def _counted(splittings: Declusterings, chosen: NDArray[np.bool_]) -> Floats:
    """Return the number of chosen splittings of each jet, (B,); 0 for a jet of one constituent."""
    counts = np.concatenate([[0], np.cumsum(chosen)])[splittings.offsets]
    return np.diff(counts).astype(np.float64)


def _hardness(jets: Jets) -> Floats:
    return jets.constituents[:, 0].astype(np.float64)


def _fractions(jets: Jets) -> Floats:
    """Return the fraction of each constituent in its jet's summed pT, (M,)."""
    hardness = _hardness(jets)
    return hardness / np.repeat(_summed(jets, hardness), jets.multiplicity)


def _summed(jets: Jets, values: Floats) -> Floats:
    """Return the sum over each jet, (B,), which does not depend on other jets."""
    sums: Floats = np.add.reduceat(values, jets.offsets[:-1]) if len(jets) else np.zeros(0)
    return sums
