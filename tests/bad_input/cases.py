"""The table of bad input."""

from __future__ import annotations

import os
import shutil

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from darkclr_ray.jets.shards import METADATA_KEY

from . import comparisons, models
from .damage import (
    Case,
    both,
    bytes_of,
    cast,
    constituent,
    constituents,
    copied,
    edited,
    emptied,
    file,
    flipped,
    generated,
    hdf5,
    jagged,
    mode,
    moved,
    old,
    removed,
    rewritten,
    scaled,
    shard,
    study,
)
from .settings import SETTINGS

NAN = float("nan")


SCAN = "embedding_scan --jets jets"
MAKE = "generate_jets --out made --samples qcd --jets-per-sample test=10 --workers 1"
COLUMNS = "--columns pt=pt eta=eta phi=phi"
BRING = f"import_jets a.parquet --sample mine --out made {COLUMNS}"

SMALL = "--contrastive.batch_size 8 --nae.batch_size 8"

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
    Case(SCAN, ("'constituent_pt': 1 values are missing",), constituent("pt", None)),
    Case(SCAN, ("'constituent_pt': jet 2: a pT is not finite",), constituent("pt", lambda v: [NAN, *v[1:]])),
    Case(SCAN, ("'constituent_pt': jet 2: a pT is not positive",), constituent("pt", lambda v: [*v[:-1], 0.0])),
    Case(SCAN, ("jet 2: constituents are not ordered by falling pT",), constituent("pt", lambda v: v[::-1])),
    Case(
        SCAN,
        ("'constituent_eta': jet 2: an eta is not finite",),
        constituent("eta", lambda v: [NAN, *v[1:]]),
    ),
    Case(SCAN, ("'constituent_eta': jet 2: another number of entries",), constituent("eta", lambda v: v[:-1])),
    Case(SCAN, ("'constituent_phi': jet 2: a phi", "wrap it"), constituent("phi", lambda v: [6.0, *v[1:]])),
    Case(SCAN, ("'constituent_pt': jet 2: has no constituents",), constituents([])),
    Case(SCAN, ("jet 2: has 10001 constituents", "a whole event"), constituents([1.0] * 10_001)),
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
    Case("embedding_scan --compute.address ray://head:10001", ("--address ray://head:10001", "give host:port")),
    Case("embedding_scan --compute.address 127.0.0.1:9", ("--address 127.0.0.1:9", "is the head running")),
    Case("embedding_scan --jets nowhere", ("nowhere: no such folder", "darkclr generate --out nowhere` makes one")),
    Case("embedding_scan --jets a", ("a: a file; expected a folder",), file("a")),
    Case(f"embedding_scan --jets {'x' * 300}", ("cannot be read",)),
    Case(SCAN, ("jets: cannot be read", "permission"), mode("jets", 0)),
    Case(SCAN, ("shard-00000.parquet: cannot be read", "permission"), mode("jets/test/qcd/shard-00000.parquet", 0)),
    Case("embedding_scan --config nowhere.yaml", ("nowhere.yaml: no such file", "--config takes a YAML file")),
    Case("embedding_scan --config .", ("cannot be read", "--config takes a YAML file")),
    Case("embedding_scan --config a.yaml", ("a.yaml: cannot be read",), both(file("a.yaml"), mode("a.yaml", 0))),
    Case("embedding_scan --config a.yaml", ("a\x00b: no such folder",), file("a.yaml", 'jets: "a\\0b"')),
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
    Case(f"{SCAN} {SMALL}", ("a study of format 1", "this version reads format 2", "--name"), old(format=1)),
    Case(f"{SCAN} {SMALL}", ("study.json has no checksum", "--name"), old(content="{}")),
    Case(f"{SCAN} {SMALL}", ("study.json is damaged", "--name"), both(old(), flipped("study.json"))),
    Case(f"{SCAN} {SMALL}", ("study.json", "does not say which jets", "--name"), old(jets=None)),
    Case(f"{SCAN} {SMALL}", ("study.json", "jets.path: Field required", "--name"), old(jets={"fingerprints": 3})),
    Case(f"{SCAN} {SMALL}", ("study.json cannot be read", "--name"), old(content="{")),
    Case(f"{SCAN} {SMALL}", ("settings.yaml", "--name"), old("settings.yaml", "encoder: {future: 3}")),
    Case(f"{SCAN} {SMALL}", ("settings.yaml", "--name"), old("settings.yaml", "a: [")),
    Case(
        f"{SCAN} {SMALL}",
        ("settings.yaml: no such file", "--name"),
        both(old(), lambda here: (here / "results/embedding_scan/settings.yaml").unlink()),
    ),
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
    Case(BRING, ("no jet kept", "not finite", "--columns"), jagged("a.parquet", pt=[[NAN, 1.0]] * 3)),
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
    Case("import_jets . --sample mine --out made", ("is a shard of jets already",)),
    Case("import_jets a.parquet --sample mine --out a.parquet", ("a.parquet is a file", "--out"), jagged("a.parquet")),
    Case(BRING, ("a.parquet: you may not read it",), both(jagged("a.parquet"), mode("a.parquet", 0))),
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
    Case(PROBE, (MISSING,), constituents([0.5])),
    Case(PROBE, (MISSING,), constituents([0.001] * 10_000)),
    Case(PROBE, (MISSING,), rewritten(lambda t: t.append_column("flavour", t["jet_id"]))),
    Case(PROBE, (MISSING,), rewritten(lambda t: t, row_group_size=3, compression="gzip")),
    Case(PROBE, (MISSING, "column 'pt'", "if this is MeV, divide by 1000"), scaled("pt", "mass", "constituent_pt")),
    Case(PROBE, (MISSING, "column 'constituent_pt'", "add up to 1000 times", "GeV"), scaled("constituent_pt")),
]
"""Good in themselves: they are refused only for what is looked at after them, an objective's signal."""

CASES = [
    *SETTINGS,
    *JETS,
    *FOLDERS,
    *GENERATION,
    *IMPORT,
    *FINE,
    *models.CASES,
    *comparisons.CASES,
]

HEAVY = [
    Case("embedding_scan --search.score s_nae", ("search.score = s_nae: unknown score", "There are: s_NAE, s_CLR")),
    *models.HEAVY,
    *comparisons.HEAVY,
]
"""What cannot be told without torch; Ray stays out of these, too."""
