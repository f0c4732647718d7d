"""Cluster and match events into jets, for all formats that contain events."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from darkclr_ray.jets.clustering import Selection, cluster, near
from darkclr_ray.jets.importers.momenta import four_momenta
from darkclr_ray.jets.importers.unselected import CannotImport, Floats, UnselectedJets

MOST_JETS = 1000  # per event: positions in the file are event * MOST_JETS + jet


def cluster_events(objects: Any, partons: Any | None, selection: Selection, first_event: int) -> UnselectedJets:
    """Return anti-kT jets above the window's lower end, each with whether a parton is near.

    Args:
        objects: jagged awkward array (N, var) with pt [GeV], eta, phi.
        partons: jagged awkward array (N, var) with eta, phi; None: no matching.
        first_event: position in the file of the first of these events.
    """
    import awkward as ak

    jets = cluster(objects, selection.radius, selection.pt_min)
    matched = (
        None if partons is None else ak.to_numpy(ak.flatten(near(jets, partons, selection.match_radius))).astype(bool)
    )
    counts = ak.to_numpy(ak.num(jets))
    events = first_event + np.repeat(np.arange(len(jets), dtype=np.int64), counts)
    place = ak.to_numpy(ak.flatten(ak.local_index(jets.pt))).astype(np.int64)
    parts = ak.flatten(jets).constituents
    flat = {name: ak.to_numpy(ak.flatten(parts[name])).astype(np.float64) for name in ("pt", "eta", "phi")}
    return UnselectedJets(
        four_momenta(flat),
        np.concatenate([[0], np.cumsum(ak.to_numpy(ak.num(parts)))]).astype(np.int64),
        events * MOST_JETS + place,
        len(objects),
        events=events,
        matched=matched,
    )


def check_weights(path: Path, weights: Floats, first: float | None) -> float | None:
    """Return the common weight of all events so far. Raises CannotImport if they differ: shards have no weights."""
    if not len(weights):
        return first
    first = float(weights[0]) if first is None else first
    if not np.allclose(weights, first, rtol=1e-6, atol=0):
        other = weights[~np.isclose(weights, first, rtol=1e-6, atol=0)][0]
        raise CannotImport(
            f"{path}: its events carry weights ({first:g}, {other:g}, ...), and a jet's row holds none; "
            "unweight the events first"
        )
    return first


def no_partons(path: Path) -> CannotImport:
    """Return the error for a file without a parton of the hard process in its first events."""
    return CannotImport(
        f"{path}: no outgoing partons of the hard process (quarks, gluons or dark quarks of status 23, as Pythia 8 "
        "writes it) to match jets to; say --match none to keep unmatched jets"
    )
