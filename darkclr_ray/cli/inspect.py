"""Describe a shard, a set of jets, a study, a model or a file of scores: ``darkclr inspect results/scan/best``."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Column, Table

from darkclr_ray.cli.program import Parser


def main(arguments: Sequence[str], program: str) -> int:
    """Print what a path contains and return 0; raise ValueError if its kind is unknown or it is damaged."""
    line = Parser(prog=program, description=(__doc__ or "").replace("`", ""))
    line.add_argument("path", type=Path, help='a file or folder; "starter" and "pretrained" are those that ship')
    show(line.read(arguments).path, Console())
    return 0


def show(path: Path, console: Console) -> None:
    """Print what ``path`` contains; raise ValueError if its kind is unknown or it is damaged."""
    from darkclr_ray.jets.folder import starter_jets

    if not path.exists():
        if str(path) == "starter":
            return show_jets(starter_jets(), console)
        if str(path) == "pretrained":
            return show_model(Path(__file__).parents[1] / "pretrained", console)
        raise ValueError(f"{path}: no such file or folder")
    if path.is_file():
        return show_parquet(path, console) if path.suffix == ".parquet" else show_foreign(path, console)
    if (path / "model.json").is_file():
        return show_model(path, console)
    if (path / "study.json").is_file():
        return show_study(path, console)
    if any(path.glob("*.parquet")):
        for shard in sorted(path.glob("*.parquet")):
            show_parquet(shard, console)
        return None
    return show_jets(path, console)


def show_jets(path: Path, console: Console) -> None:
    """Validate a set of jets completely and print a table of its samples."""
    from darkclr_ray.jets.folder import open_jets

    jets = open_jets(path)
    counts = [Column(name, no_wrap=True) for name in ("jets", "shards")]  # a narrow terminal does not shorten these
    table = Table("split", "sample", *counts, "r_inv after selection", "fingerprint", box=None)
    for split in jets.splits():
        for sample in jets.samples(split):
            notes = jets.metadata(split, sample)
            after = (notes.get("invisible_fraction") or {}).get("after_selection")
            shown = "" if after is None else f"{after:.3f}"
            numbers = (f"{notes['jets']:,}", str(notes["shards"]))
            table.add_row(split, sample, *numbers, shown, jets.fingerprint(split, sample)[:12])
    say(console, f"{path}: a set of jets; every value of it was checked")
    console.print(table)


def show_parquet(path: Path, console: Console) -> None:
    """Print what a Parquet file contains: a shard of jets, scores, or columns of another origin."""
    import pyarrow.parquet as pq

    from darkclr_ray.jets.schema import schema_fault
    from darkclr_ray.jets.shards import opened

    with opened(path) as file:
        schema = file.schema_arrow
    if {"jet_id", "detector", "score"} <= set(schema.names):
        table = pq.read_table(path, columns=["detector", "score"], page_checksum_verification=True)
        say(console, f"{path}: scores")
        for row in table.group_by("detector").aggregate([("score", "count"), ("score", "mean")]).to_pylist():
            say(console, f"  {row['detector']}: {row['score_count']:,} jets, mean {row['score_mean']:.4g}")
    elif fault := schema_fault(schema):
        say(console, f"{path}: Parquet, but no shard of jets: {fault}")
        say(console, f"  to make shards of it: darkclr import {path} --columns ... (darkclr import --help)")
    else:
        show_shard(path, console)


def show_shard(path: Path, console: Console) -> None:
    """Validate each row group of a shard and print a summary of its jets and metadata."""
    from darkclr_ray.jets.checking import stream_shard
    from darkclr_ray.jets.packed import Jets
    from darkclr_ray.jets.shards import read_metadata

    parts = list(stream_shard(path))
    jets = Jets.concatenate([part for _, part in parts])
    sizes = jets.multiplicity
    say(console, f"{path}: a shard of {len(jets):,} jets of {parts[0][0]!r} in {len(parts)} row groups")
    say(console, f"  pT {jets.pt.min():.1f} to {jets.pt.max():.1f} GeV, mass {jets.mass.mean():.1f} GeV on average")
    say(console, f"  {sizes.min()} to {sizes.max()} constituents, {sizes.mean():.1f} on average")
    for name, value in read_metadata(path).items():
        say(console, f"  {name}: {json.dumps(value)}")


def show_study(path: Path, console: Console) -> None:
    """Print what a study is, when and how it was made, what it found, and what failed or gave a warning in it."""
    from collections import Counter

    from darkclr_ray.study.records import RunRecord, StudyRecord, TrialRecord, best_trial

    study = StudyRecord.read(path / "study.json")
    begun = study.created or "at an unknown time"
    say(console, f"{path}: the study {study.name!r} ({study.kind}), begun {begun}")
    say(console, f"  jets: {study.jets.path if study.jets else 'not recorded'}, command: {shlex.join(study.command)}")
    for split, counts in study.counts.items():
        say(console, f"  {split} jets: " + ", ".join(f"{count:,} {name}" for name, count in counts.items()))
    for start in study.starts:
        versions = ", ".join(f"{name} {version}" for name, version in (start.versions or {}).items())
        say(console, f"  started {start.time} with {versions or 'versions that were not recorded'}")
    trials = [TrialRecord.read(file) for file in sorted((path / "trials").glob("*.json"))]
    runs = [RunRecord.read(file) for file in sorted((path / "runs").glob("*.json"))]
    for name, records in (("trials", trials), ("runs", runs)):
        states = Counter(record.state for record in records)
        if states:
            say(console, f"  {name}: " + ", ".join(f"{count} {state}" for state, count in states.most_common()))
    best = next((trial for trial in trials if trial.number == study.best), None) or best_trial(trials)
    if best is not None:
        value = "not recorded" if best.objective is None else f"{best.objective:.4g}"
        of = f"the best trial {best.number} ({point_text(best.parameters)})"
        say(console, f"  objective {study.objective or 'not recorded'}: {value} of {of}")
    show_troubles({f"trial {trial.number}": trial for trial in trials} | {run.key: run for run in runs}, console)
    if (path / "report" / "index.html").is_file():
        say(console, f"  report: {path / 'report' / 'index.html'}")
    if (path / "best" / "model.json").is_file():
        say(console, f"  best trial {study.best}:")
        show_model(path / "best", console)


def point_text(parameters: Mapping[str, Any]) -> str:
    """Return the parameters of a trial as text: "d_z = 32, p_drop = 0.7"."""
    texts = {name: f"{value:.4g}" if isinstance(value, float) else str(value) for name, value in parameters.items()}
    return ", ".join(f"{name} = {text}" for name, text in texts.items())


def show_troubles(records: Mapping[str, Any], console: Console) -> None:
    """Print the errors and warnings of trials or runs; each text once, with all that have it."""
    found: dict[str, list[str]] = {}
    for name, record in records.items():
        ended = [f"{record.state}: {record.reason or 'no reason recorded'}"] if record.state == "FAIL" else []
        for text in [*ended, *(f"warning: {warning}" for warning in record.warnings)]:
            found.setdefault(text, []).append(name)
    for text, names in found.items():
        say(console, f"  {', '.join(names)}: {text}")


def show_model(path: Path, console: Console) -> None:
    """Print the detectors of a model, their settings, training jets, versions, objectives and background rejections."""
    import yaml

    from darkclr_ray.detectors.description import describe
    from darkclr_ray.detectors.saving import load_settings

    model = describe(path)
    size = sum(file.stat().st_size for file in path.iterdir())
    say(console, f"{path}: a model of {', '.join(model['detectors'])}, {size / 1e6:.2f} MB")
    say(console, "  fitted on " + ", ".join(f"{name} ({hash})" for name, hash in model["jets"].items()))
    say(console, "  made by " + ", ".join(f"{name} {version}" for name, version in model["versions"].items()))
    if (path / "settings.yaml").is_file():
        load_settings(path)  # raises ValueError for settings that cannot be used
        for group, values in yaml.safe_load((path / "settings.yaml").read_text(encoding="utf-8")).items():
            say(console, f"  {group}: {json.dumps(values)}")
    if (path / "metrics.json").is_file():
        try:
            metrics = json.loads((path / "metrics.json").read_text(encoding="utf-8"))
            if metrics.get("parameters"):
                say(console, f"  trial {metrics['number']} of a search: {point_text(metrics['parameters'])}")
                objectives = {name: value for name, value in metrics["objectives"].items() if value is not None}
                say(console, "  objectives: " + ", ".join(f"{name} {value:.4g}" for name, value in objectives.items()))
            show_reached(metrics.get("test") or {}, console)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"{path / 'metrics.json'}: damaged ({error!r}); copy the model again") from None


def show_reached(test: dict[str, Any], console: Console) -> None:
    """Print background rejections at a signal efficiency of 0.2, matched in jet pT."""
    signals = list(next(iter(test.values()), {}))
    if not signals:
        return
    rows = Table("rejection, matched in pT", *signals, box=None, header_style="bold")
    for detector, evaluations in test.items():
        at = [evaluations[signal]["matched"]["rejection"]["0.2"]["value"] for signal in signals]
        rows.add_row(detector, *(f"{value:.1f}" for value in at))
    console.print(rows)


def show_foreign(path: Path, console: Console) -> None:
    """Print the detected format and content of a file that can be imported."""
    from darkclr_ray.jets.importers import ImportOptions, detect_format

    source = detect_format(path, ImportOptions())
    say(console, f"{path}: {source.total:,} {source.holds} in the format {source.format}, read as {source.understood}")
    say(console, f"  to make shards of it: darkclr import {path} --sample NAME")


def say(console: Console, text: str) -> None:
    """Print one line without markup, highlighting or line breaks."""
    console.print(text, highlight=False, markup=False, soft_wrap=True)
