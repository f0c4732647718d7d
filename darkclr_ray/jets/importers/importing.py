"""Import files: read jets from them and write checked shards, a bounded number of jets at a time.

Each file is read in a separate process; this process writes the shards into a hidden folder beside the splits, and
moves them to their places after the last file. An import that is killed leaves only that hidden folder: the same
command deletes it and starts again (or completes the moves, if everything was written).
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from joblib import cpu_count
from rich.console import Console

from darkclr_ray.jets.folder import open_jets
from darkclr_ray.jets.importers.detect_format import detect_format, expand
from darkclr_ray.jets.importers.options import ImportOptions
from darkclr_ray.jets.importers.portions import check_one_label, name_samples, portions
from darkclr_ray.jets.importers.processes import Readers
from darkclr_ray.jets.importers.shard_writer import ShardWriter
from darkclr_ray.jets.importers.staging import Staging, check_free, fingerprints
from darkclr_ray.jets.importers.summary import FileSummary, Summary, remedies
from darkclr_ray.jets.importers.unselected import CannotImport, Source
from darkclr_ray.jets.progress import Progress


def import_jets(
    files: Sequence[Path],
    out: Path,
    options: ImportOptions,
    *,
    processes: int | None = None,
    console: Console | None = None,
) -> Summary:
    """Read jets from files of any known format and write them as checked shards.

    They are <out>/<split>/<sample>/shard-00000.parquet, ...

    A summary of what was read, kept and dropped is written to <out>/imports/<samples>-<splits>.json. The result does
    not depend on ``processes``, the number of files that are read at a time (None: one per core).

    Raises:
        CannotImport (a ValueError): a file is damaged or of unknown format, an option is missing, a sample exists
            already, or no jet is kept. Nothing is written to ``out`` then.
        ImportError: a format's library is not installed.
    """
    console = console or Console()
    files = [part for path in files for part in expand(Path(path))]
    if processes is not None and processes < 1:
        raise ValueError(f"--processes {processes}: expected 1 or more")
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
        summary = _write(files, sources, known, staging.folder, options, processes or cpu_count(), console)
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
    files: list[Path],
    sources: list[Source],
    known: list[str],
    folder: Path,
    options: ImportOptions,
    processes: int,
    console: Console,
) -> Summary:
    summary = Summary([])
    writer = ShardWriter(folder, options)
    streams = [partial(portions, *each, options) for each in zip(files, sources, known, strict=True)]
    labels: set[str] = set()
    with Readers(files, streams, folder / ".portions", processes) as readers:
        for number, (path, source, fingerprint) in enumerate(zip(files, sources, known, strict=True)):
            file = FileSummary(str(path), source.format, fingerprint, source.holds, source.understood)
            summary.files.append(file)
            origin = {"file": path.name, "fingerprint": fingerprint, "format": source.format}
            writer.origin = origin | source.understood
            with Progress(source.total, console=console, unit=source.holds, pause=10.0) as bar:
                for portion in readers.items(number):
                    labels |= portion.labels
                    check_one_label(path, labels, options)
                    for (split, sample), jets in portion.kept.items():
                        writer.add(split, sample, jets)
                        summary.written[split, sample] += len(jets)
                    file.add(portion)
                    if portion.read:
                        bar.advance(portion.read, path.name)
            if file.read < source.total:
                file.dropped[f"{source.holds} that Pythia could not shower"] += source.total - file.read
    shutil.rmtree(folder / ".portions")
    writer.close()
    return summary


def _ask_for_sample(path: Path, source: Source, options: ImportOptions) -> None:
    # before the whole file is read: labels are known after its first jets
    if not options.samples:
        if source.holds == "events":
            raise CannotImport(f"{path}: which sample are these events? Say --sample NAME")
        first = next(source.stream(""), None)
        if first is not None:
            name_samples(path, first, options)


def _nothing_kept(summary: Summary) -> str:
    names = ", ".join(file.path for file in summary.files)
    why = "; ".join(f"{jets} {reason}" for reason, jets in summary.dropped.most_common()) or "there are none"
    hint = remedies(summary.dropped)
    if not summary.dropped and any(file.read for file in summary.files):
        hint = "jets are clustered above --pt-min"
    return f"{names}: no jet kept: {why}" + (f". {hint}" if hint else "")
