"""Preprocessing of jets into network inputs: truncation to the hardest N_c constituents, centring, and scaling of pT.

phi is relative to the jet axis and already wrapped (:class:`darkclr_ray.jets.packed.Jets`), so the pT centroid is a
plain weighted mean.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from darkclr_ray.jets.packed import Jets, Packed
from darkclr_ray.settings import InputSettings


def network_inputs(jets: Jets, inputs: InputSettings) -> Packed:
    """Return jets as network inputs for scoring: constituents float32 (M, 3) and offsets int64 (B + 1,).

    Raises ValueError for a jet without constituents.
    """
    return scaled([centred(jets, inputs)], jets, inputs)


def centred(jets: Jets, inputs: InputSettings) -> Packed:
    """Return the hardest constituents relative to their pT centroid, stored by columns.

    Raises ValueError for a jet without constituents.
    """
    if not len(jets):
        return jets.constituents, jets.offsets
    if not jets.multiplicity.all():
        raise ValueError(f"jet {int(np.argmin(jets.multiplicity))} of {len(jets)} has no constituents; leave it out")
    if jets.multiplicity.max() > inputs.constituents:
        jets = jets.hardest(inputs.constituents)
    columns = jets.constituents.T.copy()
    starts, sizes = jets.offsets[:-1], jets.multiplicity
    total = np.add.reduceat(columns[0], starts)
    for axis in (1, 2):
        centroid = np.add.reduceat(columns[0] * columns[axis], starts) / total
        columns[axis] -= np.repeat(centroid, sizes)
    return columns.T, jets.offsets


def scaled(parts: Sequence[Packed], jets: Jets, inputs: InputSettings) -> Packed:
    """Return all parts concatenated, stored by rows, with pT divided as the settings define."""
    ends = np.cumsum([len(constituents) for constituents, _ in parts])
    starts = ends - [len(constituents) for constituents, _ in parts]
    scaled = np.empty((ends[-1], 3), dtype=np.float32)
    for (constituents, offsets), first, last in zip(parts, starts, ends, strict=True):
        unit = np.float32(inputs.pt_scale) if inputs.pt == "gev" else np.repeat(jets.pt, np.diff(offsets))
        scaled[first:last, 0] = constituents[:, 0] / unit
        scaled[first:last, 1] = constituents[:, 1]
        scaled[first:last, 2] = constituents[:, 2]
    return scaled, np.concatenate(
        [[0], *(offsets[1:] + first for (_, offsets), first in zip(parts, starts, strict=True))]
    )
