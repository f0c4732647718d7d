"""Validate row groups of jets: missing values, ranges, order and plausible units."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pyarrow as pa

from darkclr_ray.jets.columns import CONSTITUENTS, KINEMATICS, list_sizes, list_values
from darkclr_ray.jets.packed import Jets, vector_pt
from darkclr_ray.jets.schema import SCHEMA

MOST_CONSTITUENTS = 10_000
_PI = float(np.float32(np.pi))  # above pi, since an angle of pi - 1e-8 is rounded to this number


class Fault(NamedTuple):
    """Column that is not valid, and the reason."""

    column: str
    what: str


def table_fault(table: pa.Table, sample: str) -> Fault | None:
    """Return why a row group cannot be packed (missing values, another sample, unequal list lengths), or None."""
    for name in SCHEMA.names:
        column = table.column(name)
        gaps = column.null_count or (name in CONSTITUENTS and list_values(column).null_count)
        if gaps:
            return Fault(name, f"{gaps} values are missing (null)")
    others = sorted(set(table.column("sample").unique().to_pylist()) - {sample})
    if others:
        return Fault("sample", f"says {', '.join(map(repr, others))}, but the folder is {sample!r}")
    sizes = list_sizes(table.column(CONSTITUENTS[0]))
    for name in CONSTITUENTS[1:]:
        row = np.flatnonzero(list_sizes(table.column(name)) != sizes)
        if len(row):
            return Fault(name, f"jet {row[0]}: another number of entries than in {CONSTITUENTS[0]!r}")
    return None


def jets_fault(jets: Jets) -> Fault | None:
    """Return the first reason why packed jets are not valid, or None; jets are counted from 0 within the batch.

    >>> jets_fault(Jets.from_lists([[[1.0, 0.0, 0.0], [2.0, 0.0, 0.0]]]))
    Fault(column='constituent_pt', what='jet 0: constituents are not ordered by falling pT')
    """
    return _kinematics_fault(jets) or _constituents_fault(jets)


def _kinematics_fault(jets: Jets) -> Fault | None:
    pt, _, phi, mass = jets.kinematics.T
    rules = [
        *((name, ~np.isfinite(jets.kinematics[:, i]), "is not finite") for i, name in enumerate(KINEMATICS)),
        ("pt", pt <= 0, "is not positive (GeV)"),
        ("phi", np.abs(phi) > _PI, "is outside [-pi, pi)"),
        ("mass", mass < 0, "is negative (GeV)"),
    ]
    for name, broken, what in rules:
        if broken.any():
            jet = int(np.argmax(broken))
            return Fault(name, f"jet {jet}: {jets.kinematics[jet, KINEMATICS.index(name)]:g} {what}")
    return None


def _constituents_fault(jets: Jets) -> Fault | None:
    sizes = jets.multiplicity
    if np.any(sizes == 0):
        return Fault("constituent_pt", f"jet {np.argmin(sizes)}: has no constituents")
    if np.any(sizes > MOST_CONSTITUENTS):
        what = f"has {sizes.max()} constituents, more than {MOST_CONSTITUENTS}: rather a whole event than a jet"
        return Fault("constituent_pt", f"jet {np.argmax(sizes)}: {what}")
    pt, eta, phi = jets.constituents.T
    rising = np.zeros(len(pt), dtype=bool)
    rising[1:] = pt[1:] > pt[:-1]
    rising[jets.offsets[:-1]] = False
    rules = [
        ("constituent_pt", ~np.isfinite(pt), "a pT is not finite"),
        ("constituent_pt", pt <= 0, "a pT is not positive (GeV)"),
        ("constituent_pt", rising, "constituents are not ordered by falling pT"),
        ("constituent_eta", ~np.isfinite(eta), "an eta is not finite"),
        ("constituent_phi", ~np.isfinite(phi), "a phi is not finite"),
        ("constituent_phi", np.abs(phi) > _PI, "a phi, relative to the jet axis, is outside [-pi, pi): wrap it"),
    ]
    for name, broken, what in rules:
        if broken.any():
            jet = np.searchsorted(jets.offsets, np.argmax(broken), side="right") - 1
            return Fault(name, f"jet {jet}: {what}")
    return None


def unit_trouble(jets: Jets) -> Fault | None:
    """Return why momenta are only plausible in another unit, or differ between jet and constituents; or None."""
    median = float(np.median(jets.pt))
    if median > 10_000:
        return Fault("pt", f"the median jet has pT {median:g}: if this is MeV, divide by 1000; pT is in GeV")
    if _adds_up(jets):
        return None
    ratio = float(np.median(vector_pt(jets.constituents, jets.offsets) / jets.pt.astype(np.float64)))
    if not 0.5 < ratio < 2:
        return Fault("constituent_pt", f"constituents add up to {ratio:g} times the jet's pT: are both in GeV?")
    return None


def _adds_up(jets: Jets) -> bool:
    """Return whether bounds suffice to see that the median jet has 0.5 to 2 times the pT of its constituents.

    The vector sum is at least the sum of pT (1 - phi^2/2) and at most that of pT, which takes no sines.
    """
    pt, _, phi = jets.constituents.T
    starts, own = jets.offsets[:-1], jets.pt
    most, least = np.add.reduceat(pt, starts), np.add.reduceat(pt * (1 - 0.5 * phi * phi), starts)
    return bool(np.median(least / own) > 0.51 and np.median(most / own) < 1.99)
