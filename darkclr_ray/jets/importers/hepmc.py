"""HepMC 3 and 2 event records (text, plain or gzip): visible final particles, through our detector and clustering.

Momenta in the unit that the record states. Partons to match: quarks, gluons and dark quarks of status 23 (outgoing of
the hard process, as Pythia 8 writes it). Charge and visibility are those of :mod:`darkclr_ray.jets.particles`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np

from darkclr_ray.jets.generation.detector_response import energy_flow
from darkclr_ray.jets.generation.events import outgoing_partons
from darkclr_ray.jets.importers import text
from darkclr_ray.jets.importers.events import check_weights, cluster_events, no_partons
from darkclr_ray.jets.importers.momenta import polar
from darkclr_ray.jets.importers.options import ImportOptions
from darkclr_ray.jets.importers.unselected import (
    CannotImport,
    Floats,
    Integers,
    Source,
    UnselectedJets,
    reading,
    require,
)
from darkclr_ray.jets.particles import ParticleTable
from darkclr_ray.randomness import stable_id

FORMAT = "hepmc"
EVENTS = 250
END = b"END_EVENT_LISTING"
FINAL = 1


class Record(NamedTuple):
    """Concatenated particles of several events.

    Attributes:
        momenta: (K, 4): px, py, pz, E in GeV.
        pid, status: (K,).
        sizes: (N,): particles of each event.
        weights: (N,): the first weight of each event; fewer if some events have none.
    """

    momenta: Floats
    pid: Integers
    status: Integers
    sizes: Integers
    weights: Floats


def open_source(path: Path, options: ImportOptions) -> Source:
    """Return the events of a record. Raises CannotImport if it is truncated."""
    require("pyhepmc")
    require("fastjet", "pythia8mc", extra="generate")
    total = sum(line.startswith(b"E ") for line in text.lines(path, END))

    def stream(fingerprint: str) -> Iterator[UnselectedJets]:
        return _stream(path, total, options, fingerprint)

    understood = {"match": options.match, "detector": options.detector.model_dump(), "seed": options.seed}
    return Source(FORMAT, "events", total, stream, understood)


def _stream(path: Path, total: int, options: ImportOptions, fingerprint: str) -> Iterator[UnselectedJets]:
    import awkward as ak
    import pythia8mc

    random = np.random.default_rng(stable_id(fingerprint, options.seed, "detector"))
    particles = ParticleTable(pythia8mc.Pythia("", False).particleData, options.invisible)
    first, weight = 0, None
    for record in _records(path, options):
        weight = check_weights(path, record.weights, weight)
        columns = dict(zip(("pt", "eta", "phi"), polar(record.momenta).T, strict=False))
        seen = record.status == FINAL
        charge = np.zeros(len(seen))
        charge[seen], seen[seen] = particles(record.pid[seen])
        everything = ak.zip({**columns, "energy": record.momenta[:, 3], "id": np.abs(record.pid), "charge": charge})
        everything, status, pid, seen = (
            ak.unflatten(column, record.sizes) for column in (everything, record.status, record.pid, seen)
        )
        seen = seen & (everything.pt > 0)
        partons = everything[outgoing_partons(pid, status)] if options.match == "partons" else None
        if first == 0 and partons is not None and not ak.any(ak.num(partons)):
            raise no_partons(path)
        objects = energy_flow(everything[seen], options.detector, random)
        yield replace(
            cluster_events(objects, partons, options.selection, first), notes=_notes(particles.take_unknown())
        )
        first += len(record.sizes)
    if first != total:
        raise CannotImport(f"{path}: damaged: event {first} of {total} cannot be read. Nothing was imported")


def _notes(unknown: Counter[int]) -> Counter[str]:
    return Counter(
        {
            f"particles of the unknown PDG number {number}, taken for invisible (--invisible {number} confirms it)": n
            for number, n in unknown.items()
        }
    )


def _records(path: Path, options: ImportOptions) -> Iterator[Record]:
    import pyhepmc

    with text.opened(path) as file, pyhepmc.open(file) as reader:
        events: list[tuple[Floats, Integers, Integers, list[float]]] = []
        while True:
            with reading(path, f"event {len(events)} of a stretch"):
                event = reader.read()
            if event is None:
                break
            unit = "MeV" if event.momentum_unit == pyhepmc.Units.MEV else "GeV"
            if options.unit not in (None, unit):
                raise CannotImport(f"{path}: --unit {options.unit}: the record itself says {unit}")
            event.set_units(pyhepmc.Units.GEV, pyhepmc.Units.MM)
            particles = event.numpy.particles
            momenta = np.stack([np.array(getattr(particles, name)) for name in ("px", "py", "pz", "e")], axis=1)
            events.append((momenta, np.array(particles.pid), np.array(particles.status), list(event.weights[:1])))
            if len(events) == EVENTS:
                yield _joined(events)
                events = []
        if events:
            yield _joined(events)


def _joined(events: list[tuple[Floats, Integers, Integers, list[float]]]) -> Record:
    momenta, pid, status, weights = zip(*events, strict=True)
    return Record(
        np.concatenate(momenta).astype(np.float64),
        np.concatenate(pid).astype(np.int64),
        np.concatenate(status).astype(np.int64),
        np.array([len(event) for event in momenta], dtype=np.int64),
        np.array([value for event in weights for value in event], dtype=np.float64),
    )
