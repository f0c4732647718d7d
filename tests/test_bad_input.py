"""Bad input of every kind, through the scripts as a user runs them.

Each is refused with exit status 2 and one message that says what, where and how to mend it; nothing is written or
damaged, and neither torch nor Ray is imported to find out. All cases run one after the other in one process of their
own, since starting Python takes longer than refusing.
"""

from __future__ import annotations

import ctypes
import hashlib
import json
import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import h5py
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from darkclr_ray.jets.packed import Jets
from darkclr_ray.jets.shards import METADATA_KEY, write_shard
from darkclr_ray.settings import preset
from darkclr_ray.store.files import read_json, write_json
from darkclr_ray.study.folder import StudyFolder
from darkclr_ray.study.run import open_study_jets

STUDIES = Path(__file__).parents[1] / "studies"
NAN = float("nan")
Change = Callable[[Path], object]
"""What is done to a case's own folder, in which good jets are in ``jets``."""


class Case(NamedTuple):
    """A command, what was done to its folder before, and what the message must say."""

    command: str
    words: tuple[str, ...]
    change: Change | None = None


class Answer(NamedTuple):
    """What came of a command in a folder, and the folder before and after."""

    here: Path
    status: int
    out: str
    err: str
    before: dict[str, Any]
    after: dict[str, Any]


def both(*changes: Change) -> Change:
    return lambda here: [change(here) for change in changes]


def edited(column: str, row: int, value: object, sample: str = "test/aachen") -> Change:
    """One value of a shard changed, or made from the one there by a function."""

    def change(table: pa.Table) -> pa.Table:
        values = table[column].to_pylist()
        values[row] = value(values[row]) if callable(value) else value
        field = table.schema.field(column)
        return table.set_column(table.schema.get_field_index(column), field, pa.array(values, field.type))

    return rewritten(change, sample)


def all_lists(row: int, value: list[float], sample: str = "test/aachen") -> Change:
    """A jet's constituents, all with the same numbers: tiny ones are good for its eta and phi, too."""
    return both(*(edited(f"constituent_{name}", row, value, sample) for name in ("pt", "eta", "phi")))


def rewritten(change: Callable[[pa.Table], pa.Table], sample: str = "test/aachen", **options: Any) -> Change:
    def rewrite(here: Path) -> None:
        path = shard(here, sample)
        pq.write_table(change(pq.read_table(path)), path, **({"row_group_size": 10} | options))

    return rewrite


def scaled(*columns: str) -> Change:
    """Every sample's momenta as if they had been written in MeV."""

    def change(table: pa.Table) -> pa.Table:
        for name in columns:
            field = table.schema.field(name)
            values = [[1000 * x for x in v] if isinstance(v, list) else 1000 * v for v in table[name].to_pylist()]
            table = table.set_column(table.schema.get_field_index(name), field, pa.array(values, field.type))
        return table

    return lambda here: [rewritten(change, f"{p.parts[-3]}/{p.parts[-2]}")(here) for p in here.rglob("*.parquet")]


def cast(column: str, kind: pa.DataType) -> Change:
    return rewritten(lambda t: t.set_column(t.schema.get_field_index(column), column, t[column].cast(kind)))


def bytes_of(change: Callable[[bytes], bytes], sample: str = "test/aachen") -> Change:
    return lambda here: shard(here, sample).write_bytes(change(shard(here, sample).read_bytes()))


def shard(here: Path, sample: str) -> Path:
    return here / "jets" / sample / "shard-00000.parquet"


def file(name: str, content: str | bytes = "") -> Change:
    def write(here: Path) -> None:
        (here / name).parent.mkdir(parents=True, exist_ok=True)
        (here / name).write_bytes(content if isinstance(content, bytes) else content.encode())

    return write


def removed(*names: str) -> Change:
    return lambda here: [shutil.rmtree(here / "jets" / name) for name in names]


def emptied(name: str) -> Change:
    return lambda here: shard(here, name).unlink()


def moved(name: str, to: str) -> Change:
    return lambda here: (here / "jets" / name).rename(here / "jets" / to)


def copied(name: str, to: str) -> Change:
    return lambda here: shutil.copytree(here / "jets" / name, here / "jets" / to, dirs_exist_ok=True)


def mode(name: str, bits: int) -> Change:
    """Other permissions for a file or a folder, or a folder that has them."""

    def change(here: Path) -> None:
        if not (here / name).exists():
            (here / name).mkdir()
        (here / name).chmod(bits)

    return change


SMALL = "--contrastive.batch_size 8 --nae.batch_size 8"
LOCKS: list[StudyFolder] = []


def study(here: Path) -> StudyFolder:
    """A study on these jets that was begun."""
    sizes = {"contrastive": {"batch_size": 8}, "nae": {"batch_size": 8}}
    settings = preset("laptop").updated({"jets": str(here / "jets"), **sizes})
    folder = StudyFolder(here / "results" / "embedding_scan")
    folder.claim()
    known = {"jets": {"path": "jets", "fingerprints": open_study_jets(settings).fingerprints}}
    folder.describe(settings, "laptop", ["python", "x"], known)
    LOCKS.append(folder)
    return folder


def old(name: str = "study.json", content: str | None = None, **facts: Any) -> Change:
    """A study that was begun, and a file of it changed since."""

    def change(here: Path) -> None:
        folder = study(here)
        folder.release()
        path = folder.path / name
        path.parent.mkdir(exist_ok=True)
        if content is None:
            write_json(path, {k: v for k, v in (read_json(path) | facts).items() if v is not None})
        else:
            path.write_text(content)

    return change


def jagged(name: str, rows: int = 3, **columns: Any) -> Change:
    """A Parquet file of somebody else's jets."""
    table = {"pt": [[200.0, 1.0]] * rows, "eta": [[0.1, 0.1]] * rows, "phi": [[0.1, 0.2]] * rows, **columns}
    return lambda here: pq.write_table(pa.table({k: v for k, v in table.items() if v is not None}), here / name)


def hdf5(name: str, **arrays: Any) -> Change:
    def write(here: Path) -> None:
        with h5py.File(here / name, "w") as target:
            for key, value in arrays.items():
                target[key] = value

    return write


def generated(**changes: Any) -> Change:
    """A shard in the way of a generation, with these notes."""

    def change(here: Path) -> None:
        write_shard(here / "made" / "test" / "qcd" / "shard-00000.parquet", good(7), "qcd", changes)

    return change


SCAN = "embedding_scan --jets jets"
MAKE = "generate_jets --out made --samples qcd --jets-per-sample test=10 --workers 1"
COLUMNS = "--columns pt=pt eta=eta phi=phi"
BRING = f"import_jets a.parquet --sample mine --out made {COLUMNS}"

SETTINGS = [
    Case("embedding_scan --encoder.dz 3", ("--encoder.dz", "did you mean --encoder.d_z?")),
    Case("embedding_scan --d_z 3", ("--encoder.d_z or --search.d_z",)),
    Case("embedding_scan --trails 3", ("did you mean --trials?",)),
    Case("embedding_scan --bogus 3", ("--bogus", "--help")),
    Case("embedding_scan 5", ("'5'", "needs its name")),
    Case("embedding_scan --trials", ("--trials", "expected one argument")),
    Case("embedding_scan --trials true", ("--trials", "INTEGER", "true")),
    Case("embedding_scan --trials 1.5", ("search.trials = 1.5", "integer")),
    Case("embedding_scan --trials 0", ("search.trials = 0", "greater than or equal to 1")),
    Case("embedding_scan --trials -3", ("search.trials = -3",)),
    Case("embedding_scan --trials 1e99", ("search.trials",)),
    Case("embedding_scan --trials [3]", ("search.trials = [3]",)),
    Case(f"embedding_scan --trials {'9' * 5000}", ("--trials", "INTEGER")),
    Case("embedding_scan --trials !!bool", ("--trials", "INTEGER")),
    Case("embedding_scan --trials 3 --trials 4", ("--trials: given as 3 and as 4", "say it once")),
    Case("embedding_scan --trials 3 --search.trials 4", ("--trials 3 and --search.trials 4 contradict",)),
    Case("embedding_scan --encoder.d_z abc", ("encoder.d_z = abc", "command line")),
    Case("embedding_scan --encoder.d_z ''", ("encoder.d_z",)),
    Case("embedding_scan --encoder.heads 3", ("encoder.heads = 3 does not divide encoder.d_r = 32",)),
    Case("embedding_scan --preset lapto", ("did you mean 'laptop'", "paper")),
    Case("embedding_scan --inputs.pt gevv", ("inputs.pt = gevv", "did you mean 'gev'")),
    Case("embedding_scan --contrastive.loss ntxent", ("nt_xent",)),
    Case("embedding_scan --compute.precision float64", ("float32", "bfloat16")),
    Case("embedding_scan --contrastive.learning_rate nan", ("contrastive.learning_rate = nan", "finite")),
    Case("embedding_scan --contrastive.learning_rate inf", ("contrastive.learning_rate = inf",)),
    Case("embedding_scan --contrastive.learning_rate fast", ("contrastive.learning_rate = fast",)),
    Case("embedding_scan --contrastive.learning_rate 0", ("greater than 0",)),
    Case("embedding_scan --views.p_drop 1.5", ("views.p_drop = 1.5", "less than 1")),
    Case("embedding_scan --views.p_drop -0.1", ("views.p_drop = -0.1",)),
    Case("embedding_scan --views.p_drop 0.5,0.3", ("runs backwards",)),
    Case("embedding_scan --views.p_drop 0.1,0.2,0.3", ("views.p_drop",)),
    Case("embedding_scan --views.anomalous ''", ("views.anomalous", "anomaly_contrastive", "nt_xent")),
    Case("embedding_scan --views.anomalous droping", ("views.anomalous = droping", "did you mean 'dropping'")),
    Case("embedding_scan --search.p_drop 0.1,0.2", ("search.p_drop = [0.1, 0.2]", "more numbers")),
    Case("embedding_scan --search.p_drop 0.7,0.1,0.05", ("low <= high",)),
    Case("embedding_scan --search.step_size 0,1", ("two positive numbers",)),
    Case("embedding_scan --search.step_size 1,1e300", ("search.step_size", "1e+06")),
    Case("embedding_scan --search.d_z [16", ("--search.d_z [16", "LIST")),
    Case("embedding_scan --search.d_z ''", ("search.d_z",)),
    Case("embedding_scan --search.d_z 1,16", ("from 2 to 4096",)),
    Case("embedding_scan --search.d_z 16,32,16", ("search.d_z", "16", "twice")),
    Case("embedding_scan --search.prune maybe", ("search.prune = maybe",)),
    Case("embedding_scan --search.score s_nae", ("search.score = s_nae: unknown score", "There are: s_NAE, s_CLR")),
    Case("embedding_scan --nae.hidden 16,0", ("nae.hidden = [16, 0]", "greater than or equal to 1")),
    Case("embedding_scan --nae.gradient_clip no", ("nae.gradient_clip",)),
    Case("embedding_scan --name a/b", ("name = a/b",)),
    Case("embedding_scan --name ../up", ("name = ../up",)),
    Case("embedding_scan --name ''", ("name",)),
    Case("embedding_scan --seed -1", ("seed = -1",)),
    Case("embedding_scan --seed 99999999999", ("seed",)),
    Case("embedding_scan --objective matcht", ("search.objective = matcht", "did you mean 'matched'")),
    Case("embedding_scan --objective mine:", ("search.objective = mine:", "module:name")),
]

YAML = [
    ("a: [1", ("not readable as YAML",)),
    ("- 1\n- 2", ("name: value",)),
    ("just words", ("name: value",)),
    ("encoder:\n  dz: 3", ("encoder.dz", "did you mean encoder.d_z?")),
    ("d_z: 3", ("encoder.d_z or search.d_z",)),
    ("encoder: 3", ("expected some of d_r, d_h",)),
    ("encoder: null", ("encoder", "none")),
    ("seed: 1\nseed: 2", ("'seed' is set twice",)),
    ("seed: yes", ("seed", "INTEGER", "true")),
    ("encoder:\n  d_z: 1", ("encoder.d_z = 1",)),
    ("1: 2", ("unknown setting",)),
    ("!!python/object:os.system {}", ("not readable as YAML",)),
    ("a: " + "[" * 5000, ("not readable as YAML",)),
    (b"\xff\xfe\x00\x01", ("read",)),
    (b"seed: \x00", ("not readable as YAML",)),
    ("seed: !!bool 7", ("not readable as YAML",)),
    ("seed: " + "9" * 5000, ("not readable as YAML",)),
    ("name: 2026-02-31", ("not readable as YAML",)),
    ("seed: &a [*a]", ("seed = [[[[...]]]]",)),
    ("seed: .nan", ("seed = nan",)),
    ("# " + "x" * 1_000_000, ("more than 1000000 bytes",)),
    (
        "jets: [&a [x, x, x], " + ", ".join(f"&{b} [*{a}, *{a}, *{a}]" for a, b in pairwise("abcdefghijklm")) + "]",
        ("jets",),
    ),
    ('jets: "a\\0b"', ("a\x00b: no such folder",)),
]
"""Settings files; the message names the file, too."""

JETS = [
    # a Parquet file that is broken
    Case(SCAN, ("aachen/shard-00000.parquet", "0 bytes", "remove it"), bytes_of(lambda b: b"")),
    Case(SCAN, ("aachen/shard-00000.parquet", "truncated", "fetch or generate"), bytes_of(lambda b: b[: len(b) // 2])),
    Case(SCAN, ("aachen/shard-00000.parquet", "truncated", "fetch or generate"), bytes_of(lambda b: b[:-1])),
    Case(SCAN, ("aachen/shard-00000.parquet", "no Parquet file"), bytes_of(lambda b: b"pt,eta,phi\n" * 99)),
    Case(SCAN, ("row group 0", "damaged", "generate"), bytes_of(lambda b: b[:4] + b"\xff" * 999 + b[1003:])),
    Case(SCAN, ("shard-00000.parquet", "empty file, without a single jet"), rewritten(lambda t: t.slice(0, 0))),
    Case(
        SCAN,
        ("shard-00000.parquet", "notes", "generate it again"),
        rewritten(lambda t: t.replace_schema_metadata({METADATA_KEY: b"{"})),
    ),
    Case(
        SCAN,
        ("shard-00000.parquet", "notes", "generate it again"),
        rewritten(lambda t: t.replace_schema_metadata({METADATA_KEY: b'{"counts": {"jets": "many"}}'})),
    ),
    # columns
    Case(SCAN, ("column 'mass' is missing", "the file has jet_id"), rewritten(lambda t: t.drop_columns(["mass"]))),
    Case(SCAN, ("column 'pt' has type double, expected float",), cast("pt", pa.float64())),
    Case(SCAN, ("column 'jet_id' has type string, expected int64",), cast("jet_id", pa.string())),
    Case(
        SCAN,
        ("column 'constituent_pt'", "type float"),
        rewritten(lambda t: t.set_column(t.schema.get_field_index("constituent_pt"), "constituent_pt", t["pt"])),
    ),
    Case(SCAN, ("column 'pt' is there twice", "keep one of them"), rewritten(lambda t: t.append_column("pt", t["pt"]))),
    Case(
        SCAN,
        ("two schemas in one folder", "'flavour'"),
        lambda here: pq.write_table(
            pq.read_table(shard(here, "test/aachen")).append_column("flavour", pa.array([1] * 20)),
            here / "jets/test/aachen/b.parquet",
        ),
    ),
    # values
    Case(SCAN, ("row group 1, column 'pt'", "jet 2: nan is not finite"), edited("pt", 12, NAN)),
    Case(SCAN, ("row group 1, column 'eta'", "jet 2: inf is not finite"), edited("eta", 12, float("inf"))),
    Case(SCAN, ("column 'pt'", "jet 2: -3 is not positive (GeV)"), edited("pt", 12, -3.0)),
    Case(SCAN, ("column 'mass'", "is negative"), edited("mass", 12, -1.0)),
    Case(SCAN, ("column 'phi'", "outside [-pi, pi)"), edited("phi", 12, 4.0)),
    Case(SCAN, ("column 'pt'", "1 values are missing"), edited("pt", 12, None)),
    Case(SCAN, ("column 'jet_id'", "1 values are missing"), edited("jet_id", 12, None)),
    Case(SCAN, ("column 'sample': says 'qcd', but the folder is 'aachen'",), edited("sample", 12, "qcd")),
    Case(SCAN, ("'constituent_pt': 1 values are missing",), edited("constituent_pt", 12, None)),
    Case(SCAN, ("'constituent_pt': jet 2: a pT is not finite",), edited("constituent_pt", 12, lambda v: [NAN, *v[1:]])),
    Case(
        SCAN, ("'constituent_pt': jet 2: a pT is not positive",), edited("constituent_pt", 12, lambda v: [*v[:-1], 0.0])
    ),
    Case(SCAN, ("jet 2: constituents are not ordered by falling pT",), edited("constituent_pt", 12, lambda v: v[::-1])),
    Case(
        SCAN,
        ("'constituent_eta': jet 2: an eta is not finite",),
        edited("constituent_eta", 12, lambda v: [NAN, *v[1:]]),
    ),
    Case(
        SCAN, ("'constituent_eta': jet 2: another number of entries",), edited("constituent_eta", 12, lambda v: v[:-1])
    ),
    Case(SCAN, ("'constituent_phi': jet 2: a phi", "wrap it"), edited("constituent_phi", 12, lambda v: [6.0, *v[1:]])),
    Case(SCAN, ("'constituent_pt': jet 2: has no constituents",), all_lists(12, [])),
    Case(SCAN, ("jet 2: has 10001 constituents", "a whole event"), all_lists(12, [1.0] * 10_001)),
    # samples and splits
    Case(
        SCAN,
        ("column 'jet_id'", "is also in"),
        lambda here: shutil.copy(shard(here, "test/aachen"), here / "jets/test/aachen/again.parquet"),
    ),
    Case(SCAN, ("says 'aachen', but the folder is 'aachen2'",), copied("test/aachen", "test/aachen2")),
    Case(
        SCAN,
        ("events", "in both train and validation", "keep all jets of an event"),
        edited("event_id", 0, 11, "validation/qcd"),
    ),
    Case(
        SCAN, ("jets", "no jets in this folder", "<split>/<sample>/*.parquet"), removed("train", "validation", "test")
    ),
    Case(SCAN, ("train/qcd", "an empty folder", "remove it"), emptied("train/qcd")),
    Case(SCAN, ("trian: unknown split", "rename the folder"), moved("train", "trian")),
    Case(SCAN, ("no background 'qcd' (--background) in train",), removed("train")),
    Case(SCAN, ("no background 'qcd' (--background) in test", "there are: aachen"), removed("test/qcd")),
    Case(
        f"{SCAN} --background qdc",
        ("no background 'qdc'", "there are: qcd"),
    ),
    Case(SCAN, ("needs the same signals in validation and test", "found aachen and none"), removed("test/aachen")),
    Case(SCAN, ("needs the same signals", "none and none"), removed("test/aachen", "validation/aachen")),
    Case(SCAN, ("contrastive.batch_size = 128", "more than the 20 jets", "lower it")),
    Case(f"{SCAN} --contrastive.batch_size 8 --nae.batch_size 21", ("nae.batch_size = 21", "lower it")),
    Case(f"{SCAN} {SMALL} --objective leave_out:aachne", ("no such signal", "did you mean 'aachen'")),
    Case(f"{SCAN} {SMALL} --objective leave_out:aachen", ("leaves no signal at all",)),
    Case(f"{SCAN} {SMALL} --objective nowhere:median", ("search.objective = nowhere:median", "nowhere")),
    Case(f"{SCAN} {SMALL} --objective mine:median", ("mine:median", "division by zero"), file("mine.py", "1 / 0")),
    Case(f"{SCAN} {SMALL} --objective math:pi", ("math:pi: it is not a function",)),
]

FOLDERS = [
    Case("embedding_scan --jets nowhere", ("nowhere: no such folder", "generate_jets.py --out nowhere` makes one")),
    Case("embedding_scan --jets a", ("a: a file; expected a folder",), file("a")),
    Case(f"embedding_scan --jets {'x' * 300}", ("cannot be read",)),
    Case(SCAN, ("jets: cannot be read", "permission"), mode("jets", 0)),
    Case(SCAN, ("shard-00000.parquet: cannot be read", "permission"), mode("jets/test/qcd/shard-00000.parquet", 0)),
    Case("embedding_scan --config nowhere.yaml", ("nowhere.yaml: no such file", "--config wants a YAML file")),
    Case("embedding_scan --config .", ("cannot be read", "--config wants a YAML file")),
    Case("embedding_scan --config a.yaml", ("a.yaml: cannot be read",), both(file("a.yaml"), mode("a.yaml", 0))),
    Case("embedding_scan --config /dev/zero", ("/dev/zero: more than 1000000 bytes",)),
    Case(f"{SCAN} {SMALL} --out a", ("a", "is a file", "--out"), file("a")),
    Case(f"{SCAN} {SMALL} --out a/b", ("a", "is a file", "--out"), file("a")),
    Case(f"{SCAN} {SMALL} --out a", ("a", "not writable", "--out"), mode("a", 0o555)),
    Case(f"{SCAN} {SMALL} --out /proc", ("/proc", "--out")),
    Case(f"{SCAN} {SMALL} --out {'x' * 300}", ("xxx", "--out")),
    Case(f"{SCAN} {SMALL} --out jets", ("would be among the jets of jets", "--out")),
    Case(f"{SCAN} {SMALL}", ("embedding_scan: a file is in the way", "--name"), file("results/embedding_scan")),
    Case(f"{SCAN} {SMALL}", ("holds cat.png but no study", "--name"), file("results/embedding_scan/cat.png")),
    Case(f"{SCAN} {SMALL}", ("being used by process", str(os.getpid()), "wait for it", "--name"), study),
    Case(f"{SCAN} {SMALL}", ("embedding_scan", "not writable"), both(old(), mode("results/embedding_scan", 0o555))),
    Case(f"{SCAN} {SMALL}", ("a study of format 0", "this version reads format 1", "--name"), old(format=0)),
    Case(f"{SCAN} {SMALL}", ("a study of format None", "--name"), old(content="{}")),
    Case(f"{SCAN} {SMALL}", ("study.json", "does not say which jets", "--name"), old(jets=None)),
    Case(f"{SCAN} {SMALL}", ("study.json", "does not say which jets", "--name"), old(jets={"fingerprints": 3})),
    Case(f"{SCAN} {SMALL}", ("study.json cannot be read", "--name"), old(content="{")),
    Case(f"{SCAN} {SMALL}", ("settings.yaml", "--name"), old("settings.yaml", "encoder: {future: 3}")),
    Case(f"{SCAN} {SMALL}", ("settings.yaml", "--name"), old("settings.yaml", "a: [")),
    Case(
        f"{SCAN} {SMALL}",
        ("settings.yaml: no such file", "--name"),
        both(old(), lambda here: (here / "results/embedding_scan/settings.yaml").unlink()),
    ),
    Case(f"{SCAN} {SMALL}", ("trials/0000.json", "--name"), old("trials/0000.json", '{"number": 0')),
    Case(f"{SCAN} {SMALL}", ("trials/0000.json", "--name"), old("trials/0000.json", "{}")),
    Case(f"{SCAN} {SMALL} --seed 2", ("other settings", "seed: 1 there, 2 now", "--config"), old()),
    Case(f"{SCAN} {SMALL}", ("other jets", "test/aachen differ", "--name"), both(old(), edited("mass", 3, 9.0))),
]

GENERATION = [
    Case(f"{MAKE} --seed many", ("--seed", "many")),
    Case(f"{MAKE} --seed -1", ("seed", "greater than or equal to 0")),
    Case(f"{MAKE} --sede 1", ("--sede",)),
    Case("generate_jets --preset papr", ("--preset", "papr", "paper")),
    Case("generate_jets --out made --samples qdc", ("'qdc'", "one of qcd, aachen")),
    Case("generate_jets --out made --samples dark:rinv=2", ("dark:rinv=2", "r_inv", "less than or equal to 1")),
    Case("generate_jets --out made --samples dark:rinv=0.3,rinv=0.4", ("rinv=0.4", "at most once")),
    Case("generate_jets --out made --samples dark:decays=neutral_rho,rinv=0.2", ("r_inv is 0.75",)),
    Case("generate_jets --out made --samples aachen qcd aachen", ("aachen", "named twice")),
    Case("generate_jets --out made --samples aachen dark:decays=neutral_rho", ("aachen", "dark:decays", "the same")),
    Case("generate_jets --out made --jets-per-sample test", ("'test'", "a name and a value")),
    Case("generate_jets --out made --jets-per-sample tset=5", ("tset", "expected train, validation, test")),
    Case("generate_jets --out made --jets-per-sample test=many", ("test=many", "whole number")),
    Case("generate_jets --out made --jets-per-sample test=-4", ("-4", "negative")),
    Case("generate_jets --out made --jets-per-sample test=4 test=5", ("test=5", "once")),
    Case(f"{MAKE} --vary detector.track_eficiency=1", ("track_eficiency",)),
    Case(f"{MAKE} --vary detector.track_efficiency=-1", ("detector.track_efficiency", "greater than or equal to 0")),
    Case(f"{MAKE} --vary detector.track_efficiency=inf", ("detector.track_efficiency", "finite")),
    Case(f"{MAKE} --vary variation.final_scale=nan", ("variation.final_scale",)),
    Case(f"{MAKE} --vary seed=3", ("seed=3", "expected each name once, such as detector.track_efficiency=0.97")),
    Case(f"{MAKE} --vary detector=3", ("detector=3", "detector.track_efficiency=0.97")),
    Case(f"{MAKE} --workers 0", ("--workers 0", "1 or more")),
    Case(f"{MAKE} --address 127.0.0.1:1", ("--address 127.0.0.1:1", "is the head running")),
    Case(MAKE, ("made", "is a file", "--out"), file("made")),
    Case(MAKE, ("made", "not writable", "--out"), mode("made", 0o555)),
    Case(MAKE, ("made/test/qcd/shard-00000.parquet", "another sample", "--out"), generated()),
    Case(MAKE, ("made/test/qcd/shard-00000.parquet", "another sample", "--out"), generated(sample=3, generation={})),
    Case(MAKE, ("shard-00000.parquet", "no Parquet file"), file("made/test/qcd/shard-00000.parquet", "x")),
]

IMPORT = [
    Case(BRING, ("a.parquet: no such file",)),
    Case("import_jets --sample mine", ("files",)),
    Case(
        f"import_jets a.parquet --out made {COLUMNS}",
        ("which sample are these jets", "--sample NAME"),
        jagged("a.parquet"),
    ),
    Case(f"{BRING} --labels 0=qcd", ("both a sample and labels",), jagged("a.parquet")),
    Case(
        "import_jets a.parquet --labels 0=qcd,0=top --out made",
        ("--labels 0=top", "each name once"),
        jagged("a.parquet"),
    ),
    Case("import_jets a.parquet --sample ../x --out made", ("sample", "pattern"), jagged("a.parquet")),
    Case(f"{BRING} --split tset", ("tset", "train, validation, test"), jagged("a.parquet")),
    Case(f"{BRING} --split train=0.5,test=0.4", ("add up to 1",), jagged("a.parquet")),
    Case(f"{BRING} --split train=half,test=0.5", ("train=half", "number"), jagged("a.parquet")),
    Case(f"{BRING} --unit keV", ("--unit", "GeV", "MeV"), jagged("a.parquet")),
    Case(f"{BRING} --pt-min 400 --pt-max 300", ("pt_min", "pt_max"), jagged("a.parquet")),
    Case(f"{BRING} --format csv", ("--format", "csv")),
    Case(BRING, ("a.parquet", "0 bytes"), file("a.parquet")),
    Case(BRING, ("a.parquet", "no known format"), file("a.parquet", "pt,eta,phi\n1,2,3\n")),
    Case(BRING, ("a.parquet", "damaged or truncated"), file("a.parquet", b"PAR1" + b"\0" * 99)),
    Case(BRING, ("a.parquet", "damaged or truncated"), file("a.parquet", b"\x89HDF\r\n\x1a\n" + b"\0" * 99)),
    Case(BRING, ("a.parquet", "no tree in it"), file("a.parquet", b"root" + b"\0" * 99)),
    Case(BRING, ("a.parquet", "phi", "it has pt"), jagged("a.parquet", phi=None)),
    Case(
        "import_jets a.parquet --sample mine --columns pt=momentum eta=eta phi=phi",
        ("momentum", "it has pt"),
        jagged("a.parquet"),
    ),
    Case(BRING, ("no jet kept", "--pt-min"), jagged("a.parquet", pt=[[NAN, 1.0]] * 3)),
    Case(BRING, ("no jet kept",), jagged("a.parquet", pt=[[]] * 3, eta=[[]] * 3, phi=[[]] * 3)),
    Case(BRING, ("--unit",), jagged("a.parquet", pt=[[200_000.0, 1.0]] * 3)),
    Case(BRING, ("a.parquet", "column eta has another number of constituents"), jagged("a.parquet", eta=[[0.1]] * 3)),
    Case(
        "import_jets a.parquet --sample mine --out made",
        ("is a shard of jets already", "copy it"),
        lambda here: shutil.copy(shard(here, "test/qcd"), here / "a.parquet"),
    ),
    Case("import_jets a.h5 --sample mine --out made", ("a.h5",), hdf5("a.h5", words=b"none")),
    Case("import_jets a.h5 --sample mine --out made", ("a.h5", "--order"), hdf5("a.h5", x=200 * np.ones((3, 4, 7)))),
    Case(
        f"import_jets a.parquet a.parquet --sample mine --out made {COLUMNS}",
        ("same content", "once"),
        jagged("a.parquet"),
    ),
    Case("import_jets . --sample mine --out made", (".: no such file",)),
    Case("import_jets a.parquet --sample mine --out a.parquet", ("a.parquet is a file", "--out"), jagged("a.parquet")),
    Case(BRING, ("made", "not writable", "--out"), both(jagged("a.parquet"), mode("made", 0o555))),
    Case(
        f"import_jets a.parquet --sample qcd --split test --out jets {COLUMNS}",
        ("jets/test/qcd: is there already",),
        jagged("a.parquet"),
    ),
]

PROBE, MISSING = f"{SCAN} {SMALL} --objective leave_out:nobody", "search.objective = leave_out:nobody: no such signal"

FINE = [
    Case(PROBE, (MISSING,)),
    Case(PROBE, (MISSING,), all_lists(12, [0.5])),
    Case(PROBE, (MISSING,), all_lists(12, [0.001] * 10_000)),
    Case(PROBE, (MISSING,), rewritten(lambda t: t.append_column("flavour", t["jet_id"]))),
    Case(PROBE, (MISSING,), rewritten(lambda t: t, row_group_size=3, compression="gzip")),
    Case(PROBE, (MISSING, "column 'pt'", "if this is MeV, divide by 1000"), scaled("pt", "mass", "constituent_pt")),
    Case(PROBE, (MISSING, "column 'constituent_pt'", "add up to 1000 times", "GeV"), scaled("constituent_pt")),
]
"""Good in themselves: they are refused only for what is looked at after them, an objective's signal."""

CASES = [
    *SETTINGS,
    *(
        Case("embedding_scan --config a.yaml", ("a.yaml" if n < 22 else "", *words), file("a.yaml", text))
        for n, (text, words) in enumerate(YAML)
    ),
    *JETS,
    *FOLDERS,
    *GENERATION,
    *IMPORT,
    *FINE,
]


def good(seed: int) -> Jets:
    """Twenty jets of about 200 GeV with 2 to 10 constituents."""
    sizes = np.random.default_rng(seed).integers(1, 10, 20)
    jets = Jets.from_lists([[[100.0, 0.0, 0.0], *([100.0 / size, 0.1, -0.1],) * size] for size in sizes])
    numbers = 100 * seed + np.arange(20)
    return Jets(jets.constituents, jets.offsets, numbers, numbers.copy(), jets.kinematics)


def listing(folder: Path) -> dict[str, Any]:
    """Every file below a folder, with its permissions and a hash of what is in it."""
    found = {}
    for path in sorted(folder.rglob("*")):
        readable = path.is_file() and os.access(path, os.R_OK)
        content = hashlib.blake2b(path.read_bytes()).hexdigest() if readable else ""
        found[str(path.relative_to(folder))] = (path.stat().st_mode, content)
    return found


CHILD = """
import contextlib, io, json, os, runpy, shlex, sys, traceback


class NothingHeavy:
    def find_spec(self, name, *_):
        assert name not in ("torch", "ray"), f"{name} was imported"

sys.meta_path.insert(0, NothingHeavy())
studies, cases = json.load(sys.stdin)
answers = []
for here, command in cases:
    os.chdir(here)
    name, *arguments = shlex.split(command)
    sys.argv = [f"{studies}/{name}.py", *arguments]
    sys.path[0] = here
    sys.modules.pop("mine", None)
    out, err, status = io.StringIO(), io.StringIO(), 0
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            runpy.run_path(sys.argv[0], run_name="__main__")
        except SystemExit as end:
            status = end.code
        except BaseException:
            status = 1
            traceback.print_exc()
    answers.append([status, out.getvalue(), err.getvalue()])
json.dump(answers, sys.stdout)
"""


def without_privileges() -> None:
    """Let permissions hold for root, too, in the process that is started now."""
    drop_from_bounding_set, override, read_search = 24, 1, 2
    for capability in (override, read_search):
        ctypes.CDLL(None).prctl(drop_from_bounding_set, capability, 0, 0, 0)


@pytest.fixture(scope="module")
def answers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Answer]]:
    """What the scripts say to all cases."""
    jets = tmp_path_factory.mktemp("good")
    for seed, part in enumerate(("train/qcd", "validation/qcd", "validation/aachen", "test/qcd", "test/aachen")):
        write_shard(jets / part / "shard-00000.parquet", good(seed), part.split("/")[1], {})
    folders = []
    for number, case in enumerate(CASES):
        here = tmp_path_factory.mktemp(f"case{number}")
        shutil.copytree(jets, here / "jets")
        if case.change is not None:
            case.change(here)
        folders.append(here)
    before = [listing(here) for here in folders]
    asked = json.dumps([str(STUDIES), [(str(here), case.command) for here, case in zip(folders, CASES, strict=True)]])
    done = subprocess.run(
        [sys.executable, "-c", CHILD], input=asked, capture_output=True, text=True, preexec_fn=without_privileges
    )
    assert done.returncode == 0, done.stderr
    after = [listing(here) for here in folders]
    said = json.loads(done.stdout)
    yield [Answer(here, *words, *lists) for here, words, *lists in zip(folders, said, before, after, strict=True)]
    for folder in LOCKS:
        folder.release()


@pytest.mark.parametrize("number", range(len(CASES)), ids=lambda n: f"{n} {CASES[n].command} {CASES[n].words}"[:80])
def test_bad_input_is_refused(number: int, answers: list[Answer]) -> None:
    case, answer = CASES[number], answers[number]
    assert answer.status == 2, answer.err
    assert "Traceback" not in answer.err
    for word in case.words:
        assert word in answer.err
    assert answer.after == answer.before


@pytest.mark.parametrize("case", [SETTINGS[0], JETS[0], GENERATION[0], IMPORT[0]], ids=lambda case: case.command[:20])
def test_a_process_of_its_own_says_the_same(case: Case, answers: list[Answer]) -> None:
    answer = answers[CASES.index(case)]
    name, *arguments = shlex.split(case.command)
    command = [sys.executable, STUDIES / f"{name}.py", *arguments]
    done = subprocess.run(command, cwd=answer.here, capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (answer.status, answer.out, answer.err)


def test_the_message_is_one(answers: list[Answer]) -> None:
    for case, answer in zip(CASES, answers, strict=True):
        name = f"{case.command.split()[0]}.py: "
        lines = [line for line in answer.err.splitlines() if not line.startswith(f"{name}warning: ")]
        assert len(lines) == 1, answer.err
        assert lines[0].startswith(name), answer.err
