"""The import itself: files -> jets -> checked shards, one bounded stretch at a time.

Shards are written into a hidden folder beside the splits and moved to their places when the last file is through. A
killed import leaves only that
hidden folder: the same command clears it and starts again (or finishes the moves, where all was written).
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rich.console import Console

from darkclr_ray.jets.folder import open_jets
from darkclr_ray.jets.importers.detect_format import detect_format
from darkclr_ray.jets.importers.momenta import check_energies, check_jets
from darkclr_ray.jets.importers.options import EVERYTHING_ELSE, ImportOptions
from darkclr_ray.jets.importers.select import check, count, reasons, to_jets
from darkclr_ray.jets.importers.shard_writer import ShardWriter
from darkclr_ray.jets.importers.staging import Staging, check_free, fingerprints
from darkclr_ray.jets.importers.summary import FileSummary, Summary
from darkclr_ray.jets.importers.unselected import CannotImport, Source, UnselectedJets
from darkclr_ray.jets.progress import Progress
from darkclr_ray.jets.shards import SPLITS

MISSING = "a missing label"


def import_jets(files: Sequence[Path], out: Path, options: ImportOptions, *, console: Console | None = None) -> Summary:
    """Read jets from files of any known format and write them as checked shards.

    They are <out>/<split>/<sample>/shard-00000.parquet, ...

    What was read, kept and dropped is left in <out>/imports/<samples>-<splits>.json too.

    Raises:
        CannotImport (a ValueError): a damaged or unknown file, an open question, a sample that is there already, no
        jet kept. Nothing is left in ``out`` then. ImportError: a format's library is not installed.
    """
    console = console or Console()
    files = [Path(path) for path in files]
    with console.status("looking into the files"):
        sources = [detect_format(path, options) for path in files]
        for path, source in zip(files, sources, strict=True):
            _ask_for_sample(path, source, options)
    known = fingerprints(files, console)
    staging = Staging(out, known, options)
    if staging.complete:
        console.print(f"{staging.folder} was complete: moving its shards to their places")
        return Summary.from_record(staging.publish())
    check_free(files, known, out, options)
    staging.clear()
    try:
        summary = _write(files, sources, known, staging.folder, options, console)
        summary.show(console)
        if not summary.kept:
            raise CannotImport(_nothing_kept(summary))
        open_jets(staging.folder)
        staging.finish(summary.record() | {"options": options.model_dump()})
    except BaseException:
        staging.clear()
        raise
    staging.publish()
    return summary


def _write(
    files: list[Path], sources: list[Source], known: list[str], folder: Path, options: ImportOptions, console: Console
) -> Summary:
    summary = Summary([])
    shelves = ShardWriter(folder, options)
    naming = _Naming(options)
    for path, source, fingerprint in zip(files, sources, known, strict=True):
        file = FileSummary(str(path), source.format, fingerprint, source.holds, source.understood)
        summary.files.append(file)
        shelves.origin = {"file": path.name, "fingerprint": fingerprint, "format": source.format, **source.understood}
        with Progress(source.total, console=console, unit=source.holds, pause=10.0) as bar:
            for raw in source.stream(fingerprint):
                if not file.jets:
                    _check_first(path, raw, options)
                _take(raw, naming(path, raw), file, options, shelves, summary)
                if raw.read:
                    bar.advance(raw.read, path.name)
        if file.read < source.total:
            file.dropped[f"{source.holds} that Pythia could not shower"] += source.total - file.read
    shelves.close()
    return summary


def _take(
    raw: UnselectedJets,
    samples: NDArray[np.str_],
    file: FileSummary,
    options: ImportOptions,
    shelves: ShardWriter,
    summary: Summary,
) -> None:
    checked = check(raw)
    why = np.where(samples == "", _label_reasons(raw), reasons(checked, raw, options.selection))
    kept = np.flatnonzero(why == "")
    jets = to_jets(checked, raw, kept, file.fingerprint)
    parts = split_events(jets.events, options.splits)
    for sample in np.unique(samples[kept]).tolist():
        for split in options.splits:
            chosen = np.flatnonzero((samples[kept] == sample) & (parts == split))
            shelves.add(split, sample, jets.take(chosen))
            summary.written[split, sample] += len(chosen)
    file.read += raw.read
    file.jets += len(raw)
    file.kept += len(kept)
    file.dropped += count(why)


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


class _Naming:
    """The sample of each jet, by label or one for all; empty for a label that was not asked for or is missing.

    A missing label is among "everything else" where the options name a sample for that.
    """

    def __init__(self, options: ImportOptions) -> None:
        self._options = options
        self._seen: set[str] = set()

    def __call__(self, path: Path, raw: UnselectedJets) -> NDArray[np.str_]:
        sample, labels = self._options.sample, self._options.labels
        values = np.unique(raw.labels).tolist() if raw.labels is not None else []
        if labels:
            if raw.labels is None:
                raise CannotImport(
                    f"{path}: --labels is given, but no label is known in it; say --columns label=NAME, or "
                    "--sample NAME"
                )
            names = {value: labels.get(value, labels.get(EVERYTHING_ELSE, "")) for value in values}
            return np.array([names[value] for value in raw.labels.tolist()], dtype=np.str_)
        self._seen.update(value for value in values if value)
        mapping = ",".join(f"{value}=NAME" for value in sorted(self._seen))
        if sample is None:
            by_label = f", or by its label --labels {mapping}" if values else ""
            raise CannotImport(f"{path}: which sample are these jets? Say --sample NAME for all{by_label}")
        if len(self._seen) > 1:
            raise CannotImport(
                f"{path}: its label takes the values {', '.join(sorted(self._seen))}, and --sample "
                f"{sample} would mix them; "
                f"say --labels {mapping}, or --labels {EVERYTHING_ELSE}={sample} to mix them all the same"
            )
        return np.full(len(raw), sample)


def _ask_for_sample(path: Path, source: Source, options: ImportOptions) -> None:
    # before the file is read as a whole; labels are found in its first stretch
    if not options.samples:
        if source.holds == "events":
            raise CannotImport(f"{path}: which sample are these events? Say --sample NAME")
        first = next(source.stream(""), None)
        if first is not None:
            _Naming(options)(path, first)


def _check_first(path: Path, raw: UnselectedJets, options: ImportOptions) -> None:
    checked = check(raw)
    if np.any(checked.usable):
        axes = checked.axes[checked.usable] if raw.axes is not None else None
        check_jets(path, checked.sums[checked.usable], axes, options.unit or "GeV")
        check_energies(path, raw.momenta[np.all(np.isfinite(raw.momenta), axis=1)])


def _nothing_kept(summary: Summary) -> str:
    names = ", ".join(file.path for file in summary.files)
    why = "; ".join(f"{jets} {reason}" for reason, jets in summary.dropped.most_common()) or "there are none"
    return f"{names}: no jet kept: {why}. The window is set by --pt-min, --pt-max, --eta-max; the unit by --unit"
