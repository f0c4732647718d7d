"""Les Houches event files (hep-ph/0609017), plain or gzip, as MadGraph writes them; showered by Pythia.

Pythia showers, hadronises and decays each event as it stands; matrix elements that are merged with the shower (MLM,
CKKW) need their own settings and are not for this importer. Dark quarks (4900101, 4900102) need the dark sector of a
sample.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from darkclr_ray.jets.generation.detector_response import energy_flow
from darkclr_ray.jets.generation.events import Collisions
from darkclr_ray.jets.generation.samples import DarkShower, parse_sample
from darkclr_ray.jets.importers import text
from darkclr_ray.jets.importers.events import check_weights, cluster_events
from darkclr_ray.jets.importers.options import ImportOptions
from darkclr_ray.jets.importers.unselected import CannotImport, Source, UnselectedJets, require
from darkclr_ray.randomness import stable_id

FORMAT = "lhe"
EVENTS = 250
END = b"</LesHouchesEvents>"
HIDDEN_VALLEY = range(4_900_000, 5_000_000)
_TAG = re.compile(rb"\s*<(init|event)(?:\s[^>]*)?>")
_MERGED = re.compile(rb"\s*[1-9]\d*\s*=\s*ickkw\b")  # MadGraph's run card: MLM, CKKW
WEIGHTED = 4  # |IDWTUP|: events come with weights, as they are


class HardProcess(NamedTuple):
    """What a first look at the file tells: number of events, and whether dark quarks are among their particles."""

    events: int
    dark: bool


def open_source(path: Path, options: ImportOptions) -> Source:
    """The events of a file. Raises CannotImport where it is truncated, weighted, or needs a dark sector."""
    require("awkward", "fastjet", "pythia8mc", extra="generate")
    if options.unit == "MeV":
        raise CannotImport(f"{path}: --unit MeV: Les Houches files hold GeV")
    found = survey(path)
    shower = _dark_sector(path, options, found.dark)

    def stream(fingerprint: str) -> Iterator[UnselectedJets]:
        return _stream(path, found.events, shower, options, fingerprint)

    understood = {
        "match": options.match,
        "shower": shower.model_dump() if shower else "standard model",
        "detector": options.detector.model_dump(),
        "seed": options.seed,
    }
    return Source(FORMAT, "events", found.events, stream, understood)


def survey(path: Path) -> HardProcess:
    """Count events, and look at their weights and particles. Raises CannotImport for a damaged or a weighted file."""
    events, dark, weight, meaning = 0, False, None, 0
    rows = text.lines(path, END)
    for line in rows:
        try:
            tag = _TAG.match(line)
            if _MERGED.match(line):
                raise CannotImport(
                    f"{path}: was made to be merged with the shower ({line.strip().decode(errors='replace')}), "
                    "which Pythia does not do here; shower it elsewhere and import the HepMC record"
                )
            if tag is None:
                continue
            if tag[1] == b"init":
                meaning = int(next(rows).split()[8])
            else:
                header = next(rows).split()
                weight = _check_weight(path, float(header[2]), weight, abs(meaning) == WEIGHTED)
                particles = [abs(int(next(rows).split()[0])) for _ in range(int(header[0]))]
                dark = dark or any(number in HIDDEN_VALLEY for number in particles)
                events += 1
        except (IndexError, ValueError, StopIteration) as error:
            if isinstance(error, CannotImport):
                raise
            raise CannotImport(
                f"{path}: damaged: event {events} cannot be read ({error}). Nothing was imported"
            ) from None
    return HardProcess(events, dark)


def _check_weight(path: Path, weight: float, first: float | None, sizes_matter: bool) -> float | None:
    compared = weight if sizes_matter else float(np.sign(weight))
    return check_weights(path, np.array([compared]), first)


def _dark_sector(path: Path, options: ImportOptions, dark: bool) -> DarkShower | None:
    if options.shower is None:
        if dark:
            raise CannotImport(
                f"{path}: holds dark quarks: which dark sector showers them? Say --shower aachen, or "
                "--shower dark:rinv=0.3,..."
            )
        return None
    sample = parse_sample(options.shower)
    if not isinstance(sample, DarkShower):
        raise CannotImport(
            f"{path}: --shower {options.shower}: has no dark sector; leave it out for the Standard Model"
        )
    return sample


def _stream(
    path: Path, total: int, shower: DarkShower | None, options: ImportOptions, fingerprint: str
) -> Iterator[UnselectedJets]:
    key = (fingerprint, options.seed)
    collisions = Collisions.of_hard_process(path.resolve(), shower, seed=1 + stable_id(*key, "pythia") % 900_000_000)
    random = np.random.default_rng(stable_id(*key, "detector"))
    first = 0
    while len(events := collisions.batch(EVENTS)):
        objects = energy_flow(events.particles, options.detector, random)
        partons = events.partons if options.match == "partons" else None
        yield cluster_events(objects, partons, options.selection, first)
        first += len(events)
    if first < 0.9 * total:
        raise CannotImport(
            f"{path}: Pythia could shower only {first} of {total} events: are they complete (momenta, "
            "colour lines)? Nothing was imported"
        )
