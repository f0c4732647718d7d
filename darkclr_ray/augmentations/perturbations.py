"""Perturbations of jets that should hardly change an anomaly score: soft or collinear emissions, scale, resolution."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from darkclr_ray.augmentations.smearing import Smearing
from darkclr_ray.jets.clustering import wrap
from darkclr_ray.jets.packed import Jets, Packed
from darkclr_ray.randomness import KeyedRNG

SOFT_PT = (0.5, 1.0)
"""Range of the pT of a soft emission in GeV, just above the detector's threshold."""

RADIUS = 0.8
"""Largest distance Delta R of an emission from the jet's axis."""


@dataclass(frozen=True)
class Perturbation:
    """Perturbation of jets with its description.

    Attributes:
        words: description of the change, for a caption.
        change: function from constituents (M, 3) and offsets of jets to the changed ones, in any order within a jet.
    """

    words: str
    change: Callable[[Jets, KeyedRNG], Packed]


def perturbed(jets: Jets, name: str, *, seed: int) -> Jets:
    """Return the jets after one of `PERTURBATIONS`, with the same ids, events and order.

    The jet's pT, eta, phi and mass change by the change of the (massless) sum of its constituents, and constituents are
    relative to the new axis. A jet may leave the pT window in which it was selected.

    >>> jet = Jets.from_lists([[[160.0, 0.1, 0.0], [40.0, -0.1, 0.0]]])
    >>> [round(pt, 1) for pt in perturbed(jet, "scale_up", seed=1).constituents[:, 0].tolist()]
    [161.6, 40.4]

    Raises:
        ValueError: an unknown perturbation.
    """
    if name not in PERTURBATIONS:
        raise ValueError(f"unknown perturbation {name!r}; there are: {', '.join(PERTURBATIONS)}")
    draws = KeyedRNG.keyed(jets.ids, seed=seed, epoch=0, transformation=f"perturbation {name}", draw=0)
    constituents, offsets = PERTURBATIONS[name].change(jets, draws)
    jet = np.repeat(np.arange(len(jets)), np.diff(offsets))
    constituents = constituents[np.lexsort((-constituents[:, 0], jet))].astype(np.float64)
    before = _summed(jets.constituents, jets.offsets, jets.kinematics[:, 1])
    after = _summed(constituents, offsets, jets.kinematics[:, 1])
    pt, eta, phi, mass = jets.kinematics.astype(np.float64).T
    moved_eta, moved_phi = after.eta - before.eta, after.phi - before.phi
    constituents[:, 1] -= moved_eta[jet]
    constituents[:, 2] = wrap(constituents[:, 2] - moved_phi[jet])
    kinematics = (
        pt * after.pt / before.pt,
        eta + moved_eta,
        wrap(phi + moved_phi),
        np.sqrt(np.maximum(mass**2 + after.mass_squared - before.mass_squared, 0.0)),
    )
    return replace(
        jets,
        constituents=constituents.astype(np.float32),
        offsets=offsets,
        kinematics=np.stack(kinematics, axis=1).astype(np.float32),
    )


def _soft_emission(jets: Jets, draws: KeyedRNG) -> Packed:
    low, high = SOFT_PT
    distance = RADIUS * np.sqrt(draws.uniform(number=1))
    angle = 2.0 * np.pi * draws.uniform(number=2)
    pt = low * (high / low) ** draws.uniform()
    return _joined(jets, jets.constituents, np.stack([pt, distance * np.cos(angle), distance * np.sin(angle)], axis=1))


def _collinear_splitting(jets: Jets, draws: KeyedRNG) -> Packed:
    hardest = jets.offsets[:-1]
    share = draws.uniform().astype(np.float32)
    rest, split = jets.constituents.copy(), jets.constituents[hardest]
    rest[hardest, 0] *= 1 - share / 2
    split[:, 0] *= share / 2
    return _joined(jets, rest, split)


def _energy_scale(factor: float) -> Callable[[Jets, KeyedRNG], Packed]:
    def change(jets: Jets, draws: KeyedRNG) -> Packed:
        return jets.constituents * np.array([factor, 1.0, 1.0], dtype=np.float32), jets.offsets

    return change


def _directions(jets: Jets, draws: KeyedRNG) -> Packed:
    return Smearing()(jets.constituents, jets.offsets, draws)


def _resolution(jets: Jets, draws: KeyedRNG) -> Packed:
    smeared = jets.constituents.copy()
    smeared[:, 0] *= np.maximum(1.0 + 0.05 * draws.normal(jets.offsets), 0.05)
    return smeared, jets.offsets


PERTURBATIONS: dict[str, Perturbation] = {
    "soft_emission": Perturbation(
        "one more constituent of 0.5 to 1 GeV (uniform in the logarithm), anywhere within 0.8 of the axis",
        _soft_emission,
    ),
    "collinear_splitting": Perturbation(
        "the hardest constituent split into two in the same direction, the smaller with 0 to 50% of its pT",
        _collinear_splitting,
    ),
    "scale_up": Perturbation("the pT of every constituent x 1.01", _energy_scale(1.01)),
    "scale_down": Perturbation("the pT of every constituent x 0.99", _energy_scale(0.99)),
    "smearing": Perturbation("the direction of every constituent smeared by 0.1 GeV/pT", _directions),
    "resolution": Perturbation("the pT of every constituent smeared by 5%", _resolution),
}


def _joined(jets: Jets, constituents: NDArray[np.float32], extra: NDArray[np.floating]) -> Packed:
    """Return the jets with one more constituent, (B, 3), at the end of each jet."""
    longer = np.insert(constituents, jets.offsets[1:], extra.astype(np.float32), axis=0)
    return longer, jets.offsets + np.arange(len(jets) + 1)


@dataclass(frozen=True, eq=False)
class _Sum:
    """Sum of each jet's constituents: (B,) arrays, pt in GeV, phi relative to the old axis."""

    pt: NDArray[np.float64]
    eta: NDArray[np.float64]
    phi: NDArray[np.float64]
    mass_squared: NDArray[np.float64]


def _summed(constituents: NDArray[np.floating], offsets: NDArray[np.int64], jet_eta: NDArray[np.floating]) -> _Sum:
    pt, eta, phi = constituents.astype(np.float64).T
    eta = eta + np.repeat(jet_eta.astype(np.float64), np.diff(offsets))
    columns = pt * np.cos(phi), pt * np.sin(phi), pt * np.sinh(eta), pt * np.cosh(eta)
    px, py, pz, energy = (np.add.reduceat(column, offsets[:-1]) for column in columns)
    total = np.hypot(px, py)
    return _Sum(total, np.arcsinh(pz / total), np.arctan2(py, px), energy**2 - total**2 - pz**2)
