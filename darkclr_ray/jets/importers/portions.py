"""Raw jets of a file -> portions: checked jets by split and sample, and what became of the others."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field, fields
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
    """What came of one stretch of a file.

    Attributes:
        read: jets or events of the file in it.
        jets: jets seen.
        dropped: jets not kept, by reason.
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


ARRAYS = tuple(array.name for array in fields(Jets))


def write_portion(path: Path, portion: Portion) -> None:
    """Write a portion to a file of arrays and text, for `read_portion`."""
    counts = {"dropped": portion.dropped, "notes": portion.notes}
    about = {
        "read": int(portion.read),
        "jets": int(portion.jets),
        **{name: {reason: int(number) for reason, number in counter.items()} for name, counter in counts.items()},
        "labels": sorted(portion.labels),
        "kept": list(portion.kept),
    }
    arrays = {f"{name} {i}": getattr(jets, name) for i, jets in enumerate(portion.kept.values()) for name in ARRAYS}
    np.savez(path, about=np.array(json.dumps(about)), **arrays)


def read_portion(path: Path) -> Portion:
    """Read what `write_portion` has written; no code in the file is run."""
    with np.load(path, allow_pickle=False) as content:
        about = json.loads(str(content["about"]))
        kept = {
            (split, sample): Jets(**{name: content[f"{name} {i}"] for name in ARRAYS})
            for i, (split, sample) in enumerate(about["kept"])
        }
    counters = (Counter(about["dropped"]), Counter(about["notes"]))
    return Portion(about["read"], about["jets"], *counters, frozenset(about["labels"]), kept)


def portions(path: Path, source: Source, fingerprint: str, options: ImportOptions) -> Iterator[Portion]:
    """Yield the portions of a file. Raises CannotImport where it is damaged, or not what the options say."""
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
    """Return for each jet why its label excludes it, (B,): it is missing, or it was not asked for and is named."""
    if raw.labels is None:
        return np.full(len(raw), MISSING)
    values, inverse = np.unique(raw.labels, return_inverse=True)
    named = [f"a label that was not asked for ({value})" if value else MISSING for value in values.tolist()]
    return np.array(named, dtype=np.str_)[inverse]


def split_events(events: NDArray[np.int64], splits: dict[str, float]) -> NDArray[np.str_]:
    """The split of each event, (B,): a function of the event's id alone, so that two jets of one event stay together.

    >>> split_events(np.array([1, 1, 1 << 62]), {"train": 0.5, "test": 0.5}).tolist()
    ['train', 'train', 'test']
    """
    names = [split for split in SPLITS if split in splits]
    edges = np.cumsum([splits[name] for name in names])[:-1]
    return np.array(names)[np.searchsorted(edges, events / 2.0**63, side="right")]


def name_samples(path: Path, raw: UnselectedJets, options: ImportOptions) -> NDArray[np.str_]:
    """Return the sample of each jet, (B,), by label or one for all; empty for a label that was not asked for.

    A missing label is among "everything else" where the options name a sample for that.

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
    """Raises CannotImport where one sample would mix jets of several labels without being asked to."""
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
