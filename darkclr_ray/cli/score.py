"""Score jets with a trained model: ``darkclr score jets/test/qcd --with pretrained``.

Shards, folders of shards and whole sets of jets are read a few thousand jets at a time, so that their number is not
limited by memory. The file of scores has the format of a study's scores: one row per jet and detector, with jet_id,
sample, split, detector and score. A higher score is more anomalous.
"""

from __future__ import annotations

import json
import multiprocessing
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from darkclr_ray.cli.program import Parser
from darkclr_ray.detectors.description import chosen, describe
from darkclr_ray.fs_checks import check_writable
from darkclr_ray.integrity import replacing

if TYPE_CHECKING:
    import pyarrow as pa

    from darkclr_ray.detectors.base import AnomalyDetector
    from darkclr_ray.jets.packed import Jets

AT_ONCE = 8192
"""Approximate number of jets that are scored together."""

PIECE = 1 << 16
"""Approximate number of jets that one process scores at a time, if several share the work."""

WORTH_PROCESSES = 200_000
"""Number of jets from which on several processes are faster: each takes some seconds to start."""


def main(arguments: Sequence[str], program: str) -> int:
    """Score the jets that the arguments name and return 0; raise ValueError if that is not possible.

    No file is written if an error is raised.
    """
    words = parser(program).read(arguments)
    shards = [shard for path in words.files for shard in shards_of(path)]
    if words.out.is_dir():
        raise ValueError(f"{words.out}: is a folder; --out takes a file, such as scores.parquet")
    check_writable(words.out.parent, "--out")
    if words.processes is not None and words.processes < 1:
        raise ValueError(f"--processes {words.processes}: expected a number of processes from 1 on")
    entries = chosen(words.model, words.detectors.split(",") if words.detectors else ())
    pieces = [piece for shard, split in shards for piece in pieces_of(shard, split)]
    from darkclr_ray.detectors.models import load_model
    from darkclr_ray.training.trainer import Trainer

    check_device(words.device)
    runner = Trainer(device=words.device)
    detectors = [load_model(words.model, entry, runner) for entry in entries]
    notes = {"model": str(words.model), **describe(words.model)}
    processes = words.processes or len(os.sched_getaffinity(0))
    if processes == 1 or runner.device.type != "cpu" or sum(piece.rows for piece in pieces) < WORTH_PROCESSES:
        scored = scores_of(pieces, detectors)
        jets = write_scores(words.out, scored, notes, pieces)
    else:
        with scoring_processes(min(processes, len(pieces)), words.model, entries) as pool:
            scored = (table for tables in pool.map(score_piece, pieces) for table in tables)
            jets = write_scores(words.out, scored, notes, pieces)
    print(f"{jets} jets scored by {', '.join(d.name for d in detectors)}; the scores are in {words.out}")
    return 0


def parser(program: str) -> Parser:
    """Return the argument parser."""
    line = Parser(prog=program, description=(__doc__ or "").replace("`", ""))
    line.add_argument("files", nargs="+", type=Path, help='shards, folders of shards, sets of jets, or "starter"')
    line.add_argument(
        "--with",
        dest="model",
        metavar="MODEL",
        required=True,
        help='folder of a model, such as best/ of a study, or "pretrained", which ships with the package and holds '
        "s_NAE, s_CLR and views_observables",
    )
    line.add_argument(
        "--detectors",
        metavar="NAME,...",
        help="only these of the model (all but plug-ins)",
    )
    line.add_argument("--out", type=Path, default=Path("scores.parquet"), help="file of the scores (%(default)s)")
    line.add_argument("--processes", type=int, help="number of processes on the CPU (one a core)")
    line.add_argument("--device", help="cpu, cuda, ... (a GPU where there is one)")
    return line


def shards_of(path: Path) -> list[tuple[Path, str]]:
    """Return the shards of a path, each with its split ("" if unknown); raise ValueError if there are none."""
    from darkclr_ray.jets.folder import starter_jets
    from darkclr_ray.jets.shards import SPLITS

    if str(path) == "starter" and not path.exists():
        path = starter_jets()
    if not path.exists():
        raise ValueError(f"{path}: no such file or folder; expected shards of jets (*.parquet), or a folder of them")
    if path.is_file() and path.suffix != ".parquet":
        raise ValueError(
            f"{path}: no shard; make shards of it: darkclr import {path} --sample NAME --split test --out jets"
        )
    found = [path] if path.is_file() else sorted(path.rglob("*.parquet"))
    found = [shard for shard in found if not shard.name.startswith((".", "_"))]
    if not found:
        raise ValueError(f"{path}: no *.parquet in this folder")
    splits = [shard.resolve().parent.parent.name for shard in found]
    return [(shard, split if split in SPLITS else "") for shard, split in zip(found, splits, strict=True)]


class Piece(NamedTuple):
    """Neighbouring row groups of a shard, which are scored by one process.

    Attributes:
        shard: path of the file.
        split: split of its jets, "" if unknown.
        groups: numbers of the row groups.
        rows: number of jets in them.
    """

    shard: Path
    split: str
    groups: range
    rows: int


def pieces_of(shard: Path, split: str) -> list[Piece]:
    """Return the pieces of a shard; raise ValueError if the file is no shard.

    Only the schema is checked here; the values are validated when the shard is scored.
    """
    from darkclr_ray.jets.schema import schema_fault
    from darkclr_ray.jets.shards import opened

    with opened(shard) as file:
        fault = schema_fault(file.schema_arrow)
        if fault:
            raise ValueError(f"{shard}: no shard of jets: {fault}; make shards of it: darkclr import {shard}")
        rows = [file.metadata.row_group(group).num_rows for group in range(file.num_row_groups)]
    pieces, first = [], 0
    for last in range(1, len(rows) + 1):
        size = sum(rows[first:last])
        if size >= PIECE or last == len(rows):
            pieces.append(Piece(shard, split, range(first, last), size))
            first = last
    return pieces


def check_device(device: str | None) -> None:
    """Raise ValueError unless torch can use the device on this machine."""
    import torch

    try:
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:
        what = str(error).splitlines()[0]
        raise ValueError(f"--device {device}: cannot be used here ({what}); say cpu, or leave it out") from None


@contextmanager
def scoring_processes(number: int, model: str, entries: Sequence[str]) -> Iterator[ProcessPoolExecutor]:
    """Yield a pool of processes, one thread each, that have loaded the detectors ``entries`` of a model.

    Raises ValueError if one of them is killed.
    """
    spawn = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(number, spawn, initializer=load_detectors, initargs=(model, entries))
    try:
        yield pool
    except BrokenProcessPool:
        raise ValueError(
            f"one of {number} scoring processes was killed, perhaps because memory was full; say --processes 1"
        ) from None
    finally:
        pool.shutdown(cancel_futures=True)


_detectors: list[AnomalyDetector[Any]] = []
"""Detectors of a scoring process."""


def load_detectors(model: str, entries: Sequence[str]) -> None:
    """Load the detectors that `score_piece` uses in this process."""
    from darkclr_ray.detectors.models import load_model
    from darkclr_ray.training.trainer import Trainer

    runner = Trainer(device="cpu", threads=1)
    _detectors[:] = [load_model(model, entry, runner) for entry in entries]


def score_piece(piece: Piece) -> list[pa.Table]:
    """Return the scores of a piece of a shard, by the detectors of this process; raise BrokenShard for invalid jets."""
    return list(scores_of([piece], _detectors))


def scores_of(pieces: Sequence[Piece], detectors: Sequence[AnomalyDetector[Any]]) -> Iterator[pa.Table]:
    """Yield tables of scores, of some thousand jets each; raise BrokenShard for invalid jets."""
    import pyarrow as pa

    from darkclr_ray.store.scores import score_table

    for split, sample, jets in together(pieces):
        yield pa.concat_tables([score_table(jets, sample, split, d.name, d.score(jets)) for d in detectors])


def write_scores(path: Path, scored: Iterator[pa.Table], notes: dict[str, Any], pieces: Sequence[Piece]) -> int:
    """Write the file of all scores atomically and return the number of jets; raise BrokenShard for an invalid shard."""
    import pyarrow.parquet as pq

    from darkclr_ray.jets.progress import Progress
    from darkclr_ray.jets.shards import METADATA_KEY
    from darkclr_ray.store.scores import SCHEMA

    path.parent.mkdir(parents=True, exist_ok=True)
    schema = SCHEMA.with_metadata({METADATA_KEY: json.dumps(notes).encode()})
    total = sum(piece.rows for piece in pieces)
    with (
        replacing(path) as partial,
        pq.ParquetWriter(partial, schema, compression="zstd", write_page_checksum=True) as writer,
        Progress(total, pause=10.0) as bar,
    ):
        for table in scored:
            writer.write_table(table)
            bar.advance(len(table["jet_id"].unique()), str(table["sample"][0]))
    return total


def together(pieces: Sequence[Piece]) -> Iterator[tuple[str, str, Jets]]:
    """Yield split, sample and jets in batches of up to about `AT_ONCE` jets, joined from row groups of one sample."""
    from darkclr_ray.jets.checking import stream_shard
    from darkclr_ray.jets.packed import Jets

    waiting: list[Jets] = []
    owner = ("", "")
    for piece in pieces:
        split = piece.split
        for sample, jets in stream_shard(piece.shard, piece.groups):
            if waiting and ((split, sample) != owner or sum(map(len, waiting)) + len(jets) > AT_ONCE):
                yield *owner, Jets.concatenate(waiting)
                waiting = []
            owner = (split, sample)
            waiting.append(jets)
    if waiting:
        yield *owner, Jets.concatenate(waiting)
