"""Delphes trees: energy-flow tracks, photons and neutral hadrons, through our clustering, matching and selection.

The tree's ``Jet`` branch is not read: its constituents are references, and its radius and cuts are those of the
card. Objects are massless, in GeV. Partons: quarks, gluons and dark quarks among ``Particle`` with status 23 (outgoing
of the hard process).
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from darkclr_ray.jets.generation.events import outgoing_partons
from darkclr_ray.jets.importers.columns import Store, open_store
from darkclr_ray.jets.importers.events import check_weights, cluster_events, no_partons
from darkclr_ray.jets.importers.options import ImportOptions
from darkclr_ray.jets.importers.unselected import CannotImport, Source, UnselectedJets, require

FORMAT = "delphes"
EVENTS = 500
OBJECTS = {"EFlowTrack": "PT", "EFlowPhoton": "ET", "EFlowNeutralHadron": "ET"}
PARTONS = [f"Particle.{name}" for name in ("PID", "Status", "Eta", "Phi")]
WEIGHT = "Event.Weight"


def looks_like(branches: Collection[str]) -> bool:
    """Return whether a tree with these branches is one of Delphes."""
    return any(name.split(".")[0] in OBJECTS for name in branches)


def open_source(path: Path, options: ImportOptions, tree: str) -> Source:
    """Return the events of a Delphes tree. Raises CannotImport if a branch is missing or the file is damaged."""
    require("fastjet", extra="generate")
    store = open_store(path, "root", tree, EVENTS)
    if options.unit not in (None, "GeV"):
        raise CannotImport(f"{path}: --unit {options.unit}: Delphes writes GeV")
    matching = options.match == "partons"
    wanted = [f"{name}.{column}" for name, pt in OBJECTS.items() for column in (pt, "Eta", "Phi")]
    wanted += PARTONS if matching else []
    missing = [name for name in wanted if name not in store.columns]
    if missing:
        hint = "; without Particle, say --match none to keep unmatched jets" if set(missing) <= set(PARTONS) else ""
        raise CannotImport(f"{path}: tree {tree!r} lacks {', '.join(missing)}{hint}")
    if WEIGHT in store.columns:
        wanted.append(WEIGHT)

    def stream(_: str) -> Iterator[UnselectedJets]:
        return _stream(path, store, wanted, options)

    understood = {"tree": tree, "objects": list(OBJECTS), "match": options.match, "unit": "GeV"}
    return Source(FORMAT, "events", store.rows, stream, understood)


def _stream(path: Path, store: Store, wanted: list[str], options: ImportOptions) -> Iterator[UnselectedJets]:
    import awkward as ak

    first, weight = 0, None
    for batch in store.batches(wanted):
        if WEIGHT in wanted:
            weights = batch[WEIGHT] if batch[WEIGHT].ndim == 1 else ak.flatten(batch[WEIGHT])
            weight = check_weights(path, ak.to_numpy(weights).astype(np.float64), weight)
        partons = _partons(batch) if options.match == "partons" else None
        if first == 0 and partons is not None and not ak.any(ak.num(partons)):
            raise no_partons(path)
        yield cluster_events(_objects(batch), partons, options.selection, first)
        first += len(batch)


def _objects(batch: Any) -> Any:
    import awkward as ak

    kinds = [
        ak.zip({"pt": batch[f"{name}.{pt}"], "eta": batch[f"{name}.Eta"], "phi": batch[f"{name}.Phi"]})
        for name, pt in OBJECTS.items()
    ]
    objects = ak.values_astype(ak.concatenate(kinds, axis=1), np.float64)
    return objects[objects.pt > 0]


def _partons(batch: Any) -> Any:
    import awkward as ak

    particles = ak.zip({"eta": batch["Particle.Eta"], "phi": batch["Particle.Phi"]})
    return particles[outgoing_partons(batch["Particle.PID"], batch["Particle.Status"])]
