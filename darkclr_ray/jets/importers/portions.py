"""Convert jets of a file to portions: checked jets by split and sample, and counts of dropped jets."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from darkclr_ray.jets.importers.momenta import check_energies, check_jets
from darkclr_ray.jets.importers.options import EVERYTHING_ELSE, ImportOptions
from darkclr_ray.jets.importers.select import check, count, reasons, to_jets
from darkclr_ray.jets.importers.unselected import CannotImport, Source, UnselectedJets
from darkclr_ray.jets.packed import Jets
from darkclr_ray.jets.shards import SPLITS

MISSING = "a missing label"


@dataclass(eq=False)
class Portion:
    """Result of a part of a file.

    Attributes:
        read: number of jets or events of the file in it.
        jets: number of jets before the selection.
        dropped: numbers of jets that were not kept, by reason.
        notes: see :class:`UnselectedJets`.
        labels: values of the label, without the missing one.
        kept: jets to write, by split and sample.
    """

    read: int
    jets: int
    dropped: Counter[str]
    notes: Counter[str]
    labels: frozenset[str]
    kept: dict[tuple[str, str], Jets] = field(default_factory=dict)


@dataclass(eq=False)
class PortionSummary:
    """A portion whose jets are in a file: the portion without jets, and their keys in the order of the file."""

    portion: Portion
    keys: tuple[tuple[str, str], ...]


ARRAYS = ("constituents", "offsets", "ids", "events", "kinematics")
"""Arrays of `Jets` that a portion's file contains."""


def save_portion(portion: Portion, path: Path) -> PortionSummary:
    """Write the jets of a portion to a file, and return the rest of the portion."""
    arrays = {f"{n}.{name}": getattr(jets, name) for n, jets in enumerate(portion.kept.values()) for name in ARRAYS}
    with path.open("wb") as file:
        np.savez(file, **arrays)
    return PortionSummary(replace(portion, kept={}), tuple(portion.kept))


def load_portion(summary: PortionSummary, path: Path) -> Portion:
    """Return a portion with the jets that `save_portion` wrote to a file."""
    with np.load(path, allow_pickle=False) as arrays:
        kept = {key: Jets(*(arrays[f"{n}.{name}"] for name in ARRAYS)) for n, key in enumerate(summary.keys)}
    return replace(summary.portion, kept=kept)


def portions(path: Path, source: Source, fingerprint: str, options: ImportOptions) -> Iterator[Portion]:
    """Yield the portions of a file. Raises CannotImport if it is damaged or inconsistent with the options."""
    looked = False
    for raw in source.stream(fingerprint):
        if not looked:
            _check_first(path, raw, options)
            looked = len(raw) > 0
        samples = name_samples(path, raw, options)
        checked = check(raw)
        why = np.where(samples == "", _label_reasons(raw), reasons(checked, raw, options.selection))
        kept = np.flatnonzero(why == "")
        jets = to_jets(checked, raw, kept, fingerprint)
        parts = split_events(jets.events, options.splits)
        portion = Portion(raw.read, len(raw), count(why), raw.notes, frozenset(_values(raw)))
        for sample in np.unique(samples[kept]).tolist():
            for split in options.splits:
                chosen = np.flatnonzero((samples[kept] == sample) & (parts == split))
                if len(chosen):
                    portion.kept[split, sample] = jets.take(chosen)
        yield portion


def _values(raw: UnselectedJets) -> list[str]:
    return [value for value in np.unique(raw.labels).tolist() if value] if raw.labels is not None else []


def _label_reasons(raw: UnselectedJets) -> NDArray[np.str_]:
    """Return for each jet why its label excludes it, (B,): it is missing, or it is not requested and is named."""
    if raw.labels is None:
        return np.full(len(raw), MISSING)
    values, inverse = np.unique(raw.labels, return_inverse=True)
    named = [f"a label that was not asked for ({value})" if value else MISSING for value in values.tolist()]
    return np.array(named, dtype=np.str_)[inverse]


def split_events(events: NDArray[np.int64], splits: dict[str, float]) -> NDArray[np.str_]:
    """Return the split of each event, (B,), a function of the event's id only, so that its jets stay together.

    >>> split_events(np.array([1, 1, 1 << 62]), {"train": 0.5, "test": 0.5}).tolist()
    ['train', 'train', 'test']
    """
    names = [split for split in SPLITS if split in splits]
    edges = np.cumsum([splits[name] for name in names])[:-1]
    return np.array(names)[np.searchsorted(edges, events / 2.0**63, side="right")]


def name_samples(path: Path, raw: UnselectedJets, options: ImportOptions) -> NDArray[np.str_]:
    """Return the sample of each jet, (B,), by label or one for all; empty for a label that is not requested.

    A missing label is among "everything else" if the options name a sample for that.

    Raises:
        CannotImport: the options name no sample, or labels for a file without.
    """
    if options.labels:
        if raw.labels is None:
            raise CannotImport(
                f"{path}: --labels is given, but no label is known in it; say --columns label=NAME, or --sample NAME"
            )
        rest = options.labels.get(EVERYTHING_ELSE, "")
        return np.array([options.labels.get(value, rest) for value in raw.labels.tolist()], dtype=np.str_)
    if options.sample is None:
        values = _values(raw)
        by_label = f", or by its label --labels {_mapping(values)}" if values else ""
        raise CannotImport(f"{path}: which sample are these jets? Say --sample NAME for all{by_label}")
    return np.full(len(raw), options.sample)


def check_one_label(path: Path, labels: Collection[str], options: ImportOptions) -> None:
    """Raise CannotImport if one sample would mix jets of several labels although the options do not request it."""
    if options.sample is not None and len(labels) > 1:
        raise CannotImport(
            f"{path}: its label takes the values {', '.join(sorted(labels))}, and --sample "
            f"{options.sample} would mix them; "
            f"say --labels {_mapping(labels)}, or --labels {EVERYTHING_ELSE}={options.sample} to mix them all the same"
        )


def _mapping(labels: Collection[str]) -> str:
    return ",".join(f"{value}=NAME" for value in sorted(labels))


def _check_first(path: Path, raw: UnselectedJets, options: ImportOptions) -> None:
    checked = check(raw)
    if np.any(checked.usable):
        axes = checked.axes[checked.usable] if raw.axes is not None else None
        check_jets(path, checked.sums[checked.usable], axes, options.unit or "GeV")
        check_energies(path, raw.momenta[np.all(np.isfinite(raw.momenta), axis=1)])
