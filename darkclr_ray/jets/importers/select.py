"""Select and check jets: axis, window, relative and ordered constituents, ids; every dropped jet has a reason."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from darkclr_ray.jets.clustering import Selection, wrap
from darkclr_ray.jets.importers.momenta import polar
from darkclr_ray.jets.importers.unselected import Floats, Integers, UnselectedJets
from darkclr_ray.jets.packed import Jets, ragged_arange
from darkclr_ray.randomness import stable_id


@dataclass(frozen=True, eq=False)
class Checked:
    """Constituents and axes of jets, with flags of jets that cannot be used.

    Attributes:
        constituents: (K, 4): pT [GeV], eta, phi, mass of those that are not padding.
        sizes: (B,): number of constituents of each jet.
        sums: (B, 4): pT, eta, phi, mass of the constituents' sum.
        axes: (B, 4): those of the file if it has them, otherwise ``sums``.
        usable: (B,): whether a jet has constituents, and all numbers are finite and not negative.
        broken: (B,): whether a jet has a number that is not finite or is negative.
    """

    constituents: Floats
    sizes: Integers
    sums: Floats
    axes: Floats
    usable: NDArray[np.bool_]
    broken: NDArray[np.bool_]


def check(raw: UnselectedJets) -> Checked:
    """Remove padding, sum constituents (E scheme), and flag jets that cannot be used."""
    jet = np.repeat(np.arange(len(raw)), np.diff(raw.offsets))
    real = np.any(raw.momenta != 0, axis=1)
    jet, momenta = jet[real], raw.momenta[real]
    visible = np.hypot(momenta[:, 0], momenta[:, 1]).astype(np.float32) > 0
    wrong = ~(np.all(np.isfinite(momenta), axis=1) & (momenta[:, 3] >= 0) & visible)
    broken = np.bincount(jet[wrong], minlength=len(raw)) > 0
    momenta = np.where(wrong[:, None], 0.0, momenta)
    total: Floats = np.stack([np.bincount(jet, weights=column, minlength=len(raw)) for column in momenta.T], axis=1)
    sums = polar(total)
    axes = sums
    if raw.axes is not None:
        axes = np.concatenate([raw.axes, sums[:, raw.axes.shape[1] :]], axis=1)
        broken |= (axes[:, 0] <= 0) | (axes[:, 3] < 0)
    broken |= ~np.all(np.isfinite(axes), axis=1)
    sizes = np.bincount(jet, minlength=len(raw))
    return Checked(polar(momenta), sizes, sums, axes, ~broken & (sizes > 0), broken)


def reasons(checked: Checked, raw: UnselectedJets, selection: Selection) -> NDArray[np.str_]:
    """Return why each jet is dropped, (B,), or an empty text if it is kept. The first reason that holds is returned."""
    pt, eta = checked.axes[:, 0], np.abs(checked.axes[:, 1])
    unmatched = ~raw.matched if raw.matched is not None else np.zeros(len(raw), dtype=bool)
    return np.select(
        [
            checked.broken,
            checked.sizes == 0,
            ~((pt > selection.pt_min) & (pt < selection.pt_max)),
            ~(eta < selection.eta_max),
            unmatched,
        ],
        [
            "a number that is not finite, or a negative pT or energy",
            "no constituents",
            f"pT outside {selection.pt_min:g} to {selection.pt_max:g} GeV",
            f"|eta| above {selection.eta_max:g}",
            f"no parton within {selection.match_radius:g}",
        ],
        default="",
    )


def to_jets(checked: Checked, raw: UnselectedJets, kept: Integers, fingerprint: str) -> Jets:
    """Return the kept jets, with constituents relative to the axis and in descending pT.

    Ids are hashes of the file's fingerprint and the jet's position in it. Events are hashes of the fingerprint and the
    event's number, or of the jet itself if the file has no event numbers.
    """
    starts = np.concatenate([[0], np.cumsum(checked.sizes)])[:-1]
    rows, offsets = ragged_arange(starts[kept], checked.sizes[kept])
    axes, parts = checked.axes[kept], checked.constituents[rows]
    jet = np.repeat(np.arange(len(kept)), np.diff(offsets))
    constituents = np.stack([parts[:, 0], parts[:, 1] - axes[jet, 1], wrap(parts[:, 2] - axes[jet, 2])], axis=1).astype(
        np.float32
    )
    pt = constituents[:, 0]
    if np.any((pt[1:] > pt[:-1]) & (jet[1:] == jet[:-1])):  # most files are sorted already
        constituents = constituents[np.lexsort((-pt, jet))]
    axes[:, 2] = wrap(axes[:, 2])
    ids = [stable_id(fingerprint, "jet", row) for row in raw.rows[kept].tolist()]
    events = ids
    if raw.events is not None:
        events = [stable_id(fingerprint, "event", number) for number in raw.events[kept].tolist()]
    return Jets(
        constituents,
        offsets,
        np.array(ids, dtype=np.int64),
        np.array(events, dtype=np.int64),
        axes.astype(np.float32),
    )


def count(why: NDArray[np.str_]) -> Counter[str]:
    """Return how many jets were dropped for each reason."""
    values, counts = np.unique(why[why != ""], return_counts=True)
    return Counter(dict(zip(values.tolist(), counts.tolist(), strict=True)))
