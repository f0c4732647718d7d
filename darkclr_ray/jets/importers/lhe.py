"""Les Houches event files (hep-ph/0609017), plain or gzip, as MadGraph writes them; showered by Pythia.

Pythia showers, hadronises and decays each event as it stands; matrix elements that are merged with the shower (MLM,
CKKW-L, FxFx) need their own settings and are not for this importer. Dark quarks (4900101, 4900102) need the dark
sector of a sample.
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
_MERGING = re.compile(rb"\s*(\S+)\s*=\s*(?:ickkw|ktdurham|ptlund)\b")  # MadGraph's run card: MLM, FxFx; CKKW-L
_PARTONS = re.compile(rb"\bnpN?LO\s*=\s*[\"']\s*\d")  # an event's number of partons, which merging needs
WEIGHTED = 4  # |IDWTUP|: events have weights


class HardProcess(NamedTuple):
    """Number of events in a file, and the absolute PDG numbers of their particles."""

    events: int
    kinds: frozenset[int]

    @property
    def dark(self) -> bool:
        """Return whether dark quarks are among the particles."""
        return any(number in HIDDEN_VALLEY for number in self.kinds)


def open_source(path: Path, options: ImportOptions) -> Source:
    """Return the events of a file. Raises CannotImport if it is truncated, weighted, or needs a dark sector."""
    require("awkward", "fastjet", "pythia8mc", extra="generate")
    if options.unit not in (None, "GeV"):
        raise CannotImport(f"{path}: --unit {options.unit}: Les Houches files hold GeV")
    found = survey(path)
    shower = _dark_sector(path, options, found.dark)

    def stream(fingerprint: str) -> Iterator[UnselectedJets]:
        return _stream(path, found, shower, options, fingerprint)

    understood = {
        "match": options.match,
        "shower": shower.model_dump() if shower else "standard model",
        "detector": options.detector.model_dump(),
        "seed": options.seed,
    }
    return Source(FORMAT, "events", found.events, stream, understood)


def survey(path: Path) -> HardProcess:
    """Return the number of events and their particles. Raises CannotImport for a damaged or a weighted file."""
    events, weight, meaning = 0, None, 0
    kinds: set[int] = set()
    rows = text.lines(path, END)
    for line in rows:
        try:
            tag = _TAG.match(line)
            if _is_merged(line, tag):
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
                kinds.update(abs(int(next(rows).split()[0])) for _ in range(int(header[0])))
                events += 1
        except (IndexError, ValueError, StopIteration) as error:
            if isinstance(error, CannotImport):
                raise
            raise CannotImport(
                f"{path}: damaged: event {events} cannot be read ({error}). Nothing was imported"
            ) from None
    return HardProcess(events, frozenset(kinds))


def _is_merged(line: bytes, tag: re.Match[bytes] | None) -> bool:
    if tag is not None:
        return _PARTONS.search(tag[0]) is not None
    setting = _MERGING.match(line)
    try:
        return setting is not None and float(setting[1].lower().replace(b"d", b"e")) > 0
    except ValueError:
        return False


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
    path: Path, found: HardProcess, shower: DarkShower | None, options: ImportOptions, fingerprint: str
) -> Iterator[UnselectedJets]:
    key = (fingerprint, options.seed)
    seed = 1 + stable_id(*key, "pythia") % 900_000_000
    collisions = Collisions.of_hard_process(path.resolve(), shower, seed=seed, invisible=options.invisible)
    if unknown := ", ".join(map(str, collisions.unknown(found.kinds))):
        raise CannotImport(
            f"{path}: Pythia does not know the particles {unknown} of its events. Say --invisible "
            f"{unknown.replace(' ', '')} if they are stable and invisible (dark matter), or define them by QNUMBERS "
            "in the file's header, as MadGraph does. Nothing was imported"
        )
    random = np.random.default_rng(stable_id(*key, "detector"))
    first = 0
    while len(events := collisions.batch(EVENTS)):
        objects = energy_flow(events.particles, options.detector, random)
        partons = events.partons if options.match == "partons" else None
        yield cluster_events(objects, partons, options.selection, first)
        first += len(events)
    if first < 0.9 * found.events:
        raise CannotImport(
            f"{path}: Pythia could shower only {first} of {found.events} events: are they complete (momenta, "
            "colour lines)? Nothing was imported"
        )
