"""Generate whole sets of jets; each (sample, split, shard) is one Parquet file, which any process can make.

The content of a shard depends only on its sample, split and number, its number of jets, the settings and the seed, but
not on the number of workers or on existing files. `darkclr_ray.runtime.generation` runs the shards on a cluster.
"""

from __future__ import annotations

import importlib.util
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from darkclr_ray.jets.clustering import Selection, cluster, near, select, wrap
from darkclr_ray.jets.counts import COUNTED, fractions
from darkclr_ray.jets.generation.detector_response import DetectorResponse, energy_flow
from darkclr_ray.jets.generation.events import Collisions, Variation
from darkclr_ray.jets.generation.presets import Counts
from darkclr_ray.jets.generation.samples import (
    DONOR_WINDOW,
    DONORS,
    AnySample,
    Qcd,
    fingerprint,
    parse_sample,
    sample_name,
)
from darkclr_ray.jets.generation.systematics import SYSTEMATICS, systematic_of, variant_name
from darkclr_ray.jets.packed import Jets
from darkclr_ray.jets.progress import Progress
from darkclr_ray.jets.shards import SPLITS, read_metadata, write_shard
from darkclr_ray.randomness import stable_id

JETS_A_SHARD = 2000
FIRST_EVENTS, MOST_EVENTS = 250, 500
"""Number of events that are processed together, at first and at most.

The time per event is smaller for more events, but each 100 of them need 35 MB.
"""
FRUITLESS = 20_000
"""Number of events without a single jet after which the generation stops with an error."""


class Generation(BaseModel):
    """Settings of the generation apart from the sample.

    Attributes:
        seed: seed from which the seed of every shard's generator is derived.
        variation, detector, selection: nominal unless a systematic study changes them.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    seed: int = Field(1, ge=0)
    variation: Variation = Variation()
    detector: DetectorResponse = DetectorResponse()
    selection: Selection = Selection()


@dataclass(frozen=True)
class ShardTask:
    """One file to generate, with ``jets`` jets of a sample; ``systematic`` names its background variation, if any."""

    sample: AnySample
    split: str
    shard: int
    jets: int
    generation: Generation
    systematic: str | None = None

    @property
    def name(self) -> str:
        """Return the name of the sample's folder."""
        return sample_name(self.sample) if self.systematic is None else variant_name(self.systematic)

    def path(self, out: Path) -> Path:
        return out / self.split / self.name / f"shard-{self.shard:05d}.parquet"

    @property
    def key(self) -> tuple[str | int, ...]:
        """Return the key of the random numbers.

        It excludes the detector, so that variations of the detector use the same collisions.
        """
        collisions = fingerprint(self.sample, self.generation.variation)
        return collisions, self.generation.seed, self.split, self.shard


def plan(counts: Counts, generation: Generation) -> list[ShardTask]:
    """Return shards of at most ``JETS_A_SHARD`` jets, the small splits first, so that a set is soon usable.

    Raises:
        ValueError: an unknown split or sample, one sample under two names, or a negative count.
    """
    unknown = set(counts) - set(SPLITS)
    if unknown:
        raise ValueError(f"unknown splits {sorted(unknown)}: expected {', '.join(SPLITS)}")
    tasks = []
    folders: dict[tuple[str, str], str] = {}
    for split in ("validation", "test", "train"):
        for name, jets in counts.get(split, {}).items():
            if jets < 0:
                raise ValueError(f"{jets} jets of {name} for {split}: a count cannot be negative")
            sizes = [JETS_A_SHARD] * (jets // JETS_A_SHARD) + [jets % JETS_A_SHARD] * (jets % JETS_A_SHARD > 0)
            made = _made(name, generation)
            other = folders.setdefault((split, ShardTask(made[0], split, 0, 0, *made[1:]).name), name)
            if other != name:
                raise ValueError(f"samples {other!r} and {name!r} are the same; name it once")
            tasks += [ShardTask(made[0], split, shard, size, *made[1:]) for shard, size in enumerate(sizes)]
    return tasks


def _made(name: str, generation: Generation) -> tuple[AnySample, Generation, str | None]:
    """Return the parameters of a sample, its generation settings, and the name of its background variation or None."""
    systematic = systematic_of(name)
    if systematic is None and name.startswith(variant_name("")) and ":" not in name:  # otherwise the module of a plugin
        raise ValueError(f"unknown variant {name!r} of the background: {', '.join(map(variant_name, SYSTEMATICS))}")
    if systematic is None:
        sample = parse_sample(name)
        if sample == DONORS:
            window = dict(zip(("pt_min", "pt_max"), DONOR_WINDOW, strict=True))
            generation = generation.model_copy(update={"selection": generation.selection.model_copy(update=window)})
        return sample, generation, None
    if (generation.variation, generation.detector) != (Variation(), DetectorResponse()):
        raise ValueError(f"{name} is a variation itself: do not vary it further, or vary qcd with another --out")
    change = SYSTEMATICS[systematic]
    varied = generation.model_copy(update={"variation": change.variation, "detector": change.detector})
    return Qcd(), varied, systematic


def generate(
    tasks: Sequence[ShardTask], out: Path, run: Callable[[Sequence[ShardTask], Path], Iterable[ShardTask]] | None = None
) -> list[Path]:
    """Generate every shard that does not exist yet, and return the paths of the new ones.

    Args:
        tasks: tasks from :func:`plan`.
        out: folder of the set; on a cluster it must be shared by all nodes.
        run: makes the shards of tasks in a folder and yields each task that is done, for example
            `darkclr_ray.runtime.generation.on_ray`; None makes them in this process, one after the other.

    Raises:
        ImportError: Pythia or FastJet is not installed.
        OSError: a shard cannot be written.
        ValueError: ``out`` has jets of other settings, or an unreadable shard; events give no jets; workers are lost.
    """
    _require_generator()
    missing = [task for task in tasks if not _is_there(task, out)]
    for task in missing:
        for partial in task.path(out).parent.glob(f".{task.path(out).name}.*.partial"):
            partial.unlink()
    with Progress(
        sum(task.jets for task in tasks), done=sum(t.jets for t in tasks) - sum(t.jets for t in missing)
    ) as bar:
        made = []
        for task in (run or _in_process)(missing, out):
            path = task.path(out)
            if not path.exists():
                raise ValueError(
                    f"{path}: a worker wrote it, but it cannot be seen from here: --out must be shared by all nodes"
                )
            made.append(path)
            bar.advance(task.jets, str(path.relative_to(out)))
    return made


def make_shard(task: ShardTask, out: Path) -> None:
    """Generate one shard and write it atomically."""
    jets, counts = make_jets(task)
    metadata = {
        "name": task.name,
        "variation": task.systematic,
        "sample": task.sample.model_dump(),
        "generation": task.generation.model_dump(),
        "split": task.split,
        "shard": task.shard,
        "versions": {name: version(name) for name in ("darkclr_ray", "pythia8mc", "fastjet", "numpy")},
        "jets": len(jets),
        "counts": counts,
        **fractions(counts),
    }
    write_shard(task.path(out), jets, task.name, metadata)


def make_jets(task: ShardTask) -> tuple[Jets, dict[str, int]]:
    """Return the jets of a shard, and counts of events, jets and dark mesons (all, and within R of selected jets).

    Raises ValueError if events give no jets.
    """
    generation, selection = task.generation, task.generation.selection
    collisions = collisions_of(task)
    random = np.random.default_rng(stable_id(*task.key, "detector"))
    counts = dict.fromkeys(COUNTED, 0)
    parts: list[Jets] = []
    while sum(map(len, parts)) < task.jets:
        events = collisions.batch(_events_needed(task.jets, sum(map(len, parts)), counts["events"]))
        objects = energy_flow(events.particles, generation.detector, random)
        jets = select(cluster(objects, selection.radius, selection.pt_min), events.partons, selection)
        parts.append(_pack(jets, task, first_event=counts["events"]))
        _count(counts, events, jets, selection)
        if counts["events"] >= FRUITLESS and not any(map(len, parts)):
            raise ValueError(
                f"{task.name}: {counts['events']:,} events gave no jet with pT from {selection.pt_min:g} to "
                f"{selection.pt_max:g} GeV, |eta| < {selection.eta_max:g} and a parton within "
                f"{selection.match_radius:g}; change the selection, or what the sample is made of"
            )
    jets = Jets.concatenate(parts)
    counts["jets"] = len(jets)
    jets = jets.take(np.arange(task.jets))
    return _with_ids(jets, task), counts


def _events_needed(wanted: int, found: int, events: int) -> int:
    """Return the number of events to process next, if ``events`` gave ``found`` of the ``wanted`` jets.

    >>> _events_needed(100, 0, 0), _events_needed(100, 90, 250), _events_needed(2000, 50, 250)
    (250, 28, 500)
    """
    return min(MOST_EVENTS, math.ceil((wanted - found) * events / found)) if found else FIRST_EVENTS


def collisions_of(task: ShardTask) -> Collisions:
    """Return the stream of events of a shard, from its first event."""
    return Collisions(task.sample, task.generation.variation, seed=1 + stable_id(*task.key, "pythia") % 900_000_000)


def _pack(jets: Any, task: ShardTask, first_event: int) -> Jets:
    import awkward as ak

    numbers = first_event + np.repeat(np.arange(len(jets)), ak.to_numpy(ak.num(jets)))
    jets = ak.flatten(jets)
    parts = jets.constituents
    columns = (parts.pt, parts.eta - jets.eta, wrap(parts.phi - jets.phi))
    events = {number: stable_id(*task.key, "event", number) for number in np.unique(numbers).tolist()}
    return Jets(
        np.stack([ak.to_numpy(ak.flatten(column)) for column in columns], axis=1).astype(np.float32),
        np.concatenate([[0], np.cumsum(ak.to_numpy(ak.num(parts)))]).astype(np.int64),
        np.zeros(len(numbers), dtype=np.int64),
        np.array([events[number] for number in numbers.tolist()], dtype=np.int64),
        np.stack([ak.to_numpy(jets[name]) for name in ("pt", "eta", "phi", "mass")], axis=1).astype(np.float32),
    )


def _with_ids(jets: Jets, task: ShardTask) -> Jets:
    made_by = fingerprint(task.generation.detector, task.generation.selection)
    ids = np.array([stable_id(*task.key, made_by, "jet", index) for index in range(len(jets))], dtype=np.int64)
    return Jets(jets.constituents, jets.offsets, ids, jets.events, jets.kinematics)


def _count(counts: dict[str, int], events: Any, jets: Any, selection: Selection) -> None:
    import awkward as ak

    counts["events"] += len(events)
    around = events.mesons[near(events.mesons, jets, selection.radius)]
    for prefix, mesons in (("", events.mesons), ("selected_", around)):
        counts[f"{prefix}mesons"] += int(ak.sum(ak.num(mesons)))
        counts[f"{prefix}invisible_mesons"] += int(ak.sum(mesons.invisible))


def _is_there(task: ShardTask, out: Path) -> bool:
    path = task.path(out)
    if not path.exists():
        return False
    found = read_metadata(path)
    for name, wanted in (("sample", task.sample), ("generation", task.generation)):
        if not _agrees(found.get(name), wanted):
            what = f"holds jets of another {name} than asked for: {found.get(name)}, not {wanted!r}"
            raise ValueError(f"{path}: {what}; choose another --out")
    return bool(found.get("jets") == task.jets)


def _agrees(found: Any, wanted: BaseModel) -> bool:
    try:
        return type(wanted).model_validate(found) == wanted
    except ValidationError:
        return False


def _require_generator() -> None:
    missing = [name for name in ("awkward", "fastjet", "pythia8mc") if importlib.util.find_spec(name) is None]
    if missing:
        raise ImportError(f"generating jets needs {', '.join(missing)}: pip install 'darkclr_ray[generate]'")


def _in_process(tasks: Sequence[ShardTask], out: Path) -> Iterator[ShardTask]:
    for task in tasks:
        make_shard(task, out)
        yield task
