"""Make jets that resemble dark showers without rescaling: harder background jets after the loss of branches."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from darkclr_ray.augmentations.branch_dropping import drawn_sizes
from darkclr_ray.jets.clustering import wrap
from darkclr_ray.jets.packed import Jets, ragged_arange
from darkclr_ray.randomness import KeyedRNG
from darkclr_ray.settings import ViewSettings

ATTEMPTS = 50
"""Largest number of droppings that are tried with a donor."""

TOLERANCE = 0.1
"""Largest relative distance of the visible pT from its target.

The visible pT after a dropping varies by more than that, so that without targets the views would not have the
background's spectrum.
"""


def donor_jets(
    donors: Jets, background: Jets, views: ViewSettings, *, seed: int, purpose: str = "donor branches"
) -> Jets:
    """Return donors after a loss of branches that leaves a visible pT inside the background's window.

    The visible pT of a dark jet, 150 to 300 GeV, is the remainder of a parent several times harder. A donor with pT
    above a target, which is drawn from the background's spectrum, loses each branch of its Cambridge/Aachen tree with
    probability 1 - target / pT. This is repeated until the visible pT is close to the target and between the smallest
    and the largest of the background; donors for which this never happens are omitted. No constituent is rescaled.
    Axis, pT and mass are computed from the remaining constituents.

    The jets are not paired with background jets: they can train classifiers, but not losses that compare views of one
    jet.

    Args:
        donors: jets harder than the background, of the same process.
        background: jets that define the window and the spectrum of pT.
        views: ``branch_sizes`` gives the angular sizes of branches.
        seed: seed of the draws, which also depend on a donor's id and ``purpose``.

    Raises:
        ValueError: no donor reached its target.
    """
    spectrum = np.sort(background.pt.astype(np.float64))
    draws = KeyedRNG.keyed(donors.ids, seed=seed, epoch=0, transformation=purpose, draw=0)
    target = np.quantile(spectrum, draws.derived("target").uniform())
    remaining = np.flatnonzero(target < donors.pt)
    found: list[tuple[NDArray[np.int64], Jets]] = []
    for attempt in range(ATTEMPTS):
        if not len(remaining):
            break
        some = donors.take(remaining)
        tries = draws.of(remaining).derived(f"attempt {attempt}")
        rows, _ = ragged_arange(donors.offsets[:-1][remaining], some.multiplicity)
        branches = donors.tree.take(rows).clusters(some.offsets, drawn_sizes(views.branch_sizes, tries))
        dropped = np.repeat(1.0 - target[remaining] / some.pt, some.multiplicity)
        left, places = _without(some, tries.uniform(some.offsets)[branches] < dropped)
        inside = (left.pt >= spectrum[0]) & (left.pt <= spectrum[-1])
        inside &= np.abs(left.pt / target[remaining[places]] - 1.0) < TOLERANCE
        found.append((remaining[places[inside]], left.take(np.flatnonzero(inside))))
        remaining = np.setdiff1d(remaining, found[-1][0])
    which = np.concatenate([np.zeros(0, dtype=np.int64), *(numbers for numbers, _ in found)])
    if not len(which):
        raise ValueError(
            f"none of {len(donors)} donors reached a pT from {spectrum[0]:.0f} to {spectrum[-1]:.0f} GeV by losing "
            f"branches; take donors that are harder than the background, as `darkclr generate --preset donors` makes"
        )
    return Jets.concatenate([left for _, left in found]).take(np.argsort(which))


def _without(jets: Jets, dropped: NDArray[np.bool_]) -> tuple[Jets, NDArray[np.int64]]:
    """Return jets without the constituents in ``dropped``, (M,), and the positions of the jets that are not empty.

    The jets are relative to the axis of the remaining constituents.
    """
    counts = np.add.reduceat(~dropped, jets.offsets[:-1], dtype=np.int64)
    places = np.flatnonzero(counts)
    offsets = np.concatenate([[0], np.cumsum(counts[places])])
    sizes = np.diff(offsets)
    pt, eta, phi = jets.constituents[~dropped].astype(np.float64).T
    axis_eta, axis_phi = (jets.kinematics[places, column].astype(np.float64) for column in (1, 2))
    eta = eta + np.repeat(axis_eta, sizes)
    px, py, pz, energy = (
        np.add.reduceat(component, offsets[:-1])
        for component in (pt * np.cos(phi), pt * np.sin(phi), pt * np.sinh(eta), pt * np.cosh(eta))
    )
    total = np.hypot(px, py)
    turned = np.arctan2(py, px)
    kinematics = np.column_stack(
        [
            total,
            np.arcsinh(pz / total),
            wrap(axis_phi + turned),
            np.sqrt(np.maximum(energy**2 - total**2 - pz**2, 0.0)),
        ]
    ).astype(np.float32)
    constituents = np.column_stack(
        [pt, eta - np.repeat(np.arcsinh(pz / total), sizes), wrap(phi - np.repeat(turned, sizes))]
    ).astype(np.float32)
    return Jets(constituents, offsets, jets.ids[places], jets.events[places], kinematics), places
