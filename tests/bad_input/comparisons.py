"""The table's studies that compare detectors."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from .damage import Case, Change, both, bytes_of, file, mode, old
from .models import model

NAMES = ("robustness", "method_comparison", "linear_classifier_test")


def beside(name: str, folder: str = "grid", split: str = "test") -> Change:
    """A further folder of jets, those of the good one by another name."""

    def change(here: Path) -> None:
        table = pq.read_table(here / "jets" / "test" / "aachen" / "shard-00000.parquet")
        place = table.schema.get_field_index("sample")
        (here / folder / split / name).mkdir(parents=True)
        table = table.set_column(place, "sample", pa.array([name] * len(table)))
        pq.write_table(table, here / folder / split / name / "shard-00000.parquet")

    return change


def of(name: str) -> list[Case]:
    """What each of these studies refuses."""
    bare = f"darkclr study {name}"
    good = f"{bare} --jets jets --contrastive.batch_size 8 --nae.batch_size 8"
    further = f"{good} --comparison.further_jets"
    return [
        Case(f"{bare} --comparison.encoder_seed 3", ("did you mean --comparison.encoder_seeds",)),
        Case(f"{bare} --comparison.encoder_seeds 0", ("comparison.encoder_seeds = 0",)),
        Case(f"{bare} --comparison.d_z 1", ("comparison.d_z = [1]",)),
        Case(f"{bare} --comparison.contamination 0.7", ("comparison.contamination",)),
        Case(f"{bare} --preset grid", ("unknown preset", "laptop")),
        Case(f"{bare} --trials 3", ("--trials: unknown setting",)),
        Case(f"{bare} --jets nowhere", ("nowhere: no such folder",)),
        Case(f"{bare} --jets jets", ("contrastive.batch_size = 128", "lower it")),
        Case(f"{good} --views.positive rotaton", ("views.positive", "did you mean 'rotation'")),
        Case(f"{good} --comparison.scan nowhere", ("comparison.scan = nowhere", "no embedding scan")),
        Case(f"{good} --comparison.scan a", ("comparison.scan = a", "no embedding scan"), file("a")),
        Case(f"{good} --comparison.scan model", ("comparison.scan = model", "no embedding scan"), model),
        Case(f"{good} --comparison.scan a", ("a/trials/0000.json", "restore"), file("a/trials/0000.json", "{")),
        Case(f"{further} nowhere", ("nowhere: no such folder",)),
        Case(f"{further} a", ("a: a file",), file("a")),
        Case(f"{further} grid", ("grid: 'aachen' is in another folder", "rename"), beside("aachen")),
        Case(
            f"{further} grid,more",
            ("more: 'other' is in another folder",),
            both(beside("other"), beside("other", "more")),
        ),
        Case(f"{further} jets", ("is in another folder", "comparison.further_jets")),
        Case(f"{further} grid", ("grid: no test split",), beside("other", split="train")),
        Case(
            f"{further} grid",
            ("grid/test/other", "truncated"),
            both(beside("other"), file("grid/test/other/shard-00000.parquet", b"PAR1")),
        ),
        Case(f"{further} grid --out grid", ("would be among the jets of grid",), beside("other")),
        Case(good, ("aachen/shard-00000.parquet", "truncated"), bytes_of(lambda b: b[:-9])),
        Case(f"{good} --out a", ("is a file", "--out"), file("a")),
        Case(f"{good} --out a", ("not writable", "--out"), mode("a", 0o555)),
        Case(good, (f"{name}: a file is in the way",), file(f"results/{name}")),
        Case(good, ("cat.png but no study",), file(f"results/{name}/cat.png")),
        Case(
            f"{good} --name embedding_scan",
            ("a study of another kind (embedding_scan)", "--name"),
            old(kind="embedding_scan"),
        ),
        Case(f"{good} --name embedding_scan", ("study.json", "--name"), old(content="{")),
    ]


def of_torch(name: str) -> list[Case]:
    """What only torch, or somebody's module, can tell."""
    good = f"darkclr study {name} --jets jets --contrastive.batch_size 8 --nae.batch_size 8"
    more = f"{good} --comparison.detectors"
    return [
        Case(f"{more} s_NEA", ("comparison.detectors", "did you mean 's_NAE'")),
        Case(f"{more} mine:Own", ("comparison.detectors", "No module named")),
        Case(f"{more} mine:Own", ("comparison.detectors", "division by zero"), file("mine.py", "1/0")),
        Case(f"{more} mine:Own", ("comparison.detectors", "is not a class"), file("mine.py", "Own = 3")),
    ]


def twice(name: str) -> Case:
    """A detector that takes part without being asked."""
    good = f"darkclr study {name} --jets jets --contrastive.batch_size 8 --nae.batch_size 8"
    return Case(
        f"{good} --comparison.detectors jet_mass", ("comparison.detectors", "'jet_mass'", "name each detector once")
    )


def signal(name: str) -> Case:
    """A study that needs labels, of a signal without training jets."""
    good = f"darkclr study {name} --jets jets --contrastive.batch_size 8 --nae.batch_size 8"
    return Case(f"{good} --supervised.signal aachne", ("'aachne'", "--supervised.signal", "signals in train: none"))


OTHERS = [
    Case("darkclr scroe", ("'scroe': unknown command", "did you mean 'score'")),
    Case("darkclr study robustnes", ("unknown study", "did you mean 'robustness'")),
    Case("darkclr study embedding_scan --trials 0", ("search.trials = 0",)),
    Case("darkclr study embedding_scan --jets nowhere", ("nowhere: no such folder",)),
    Case("darkclr generate --out a --samples qcd", ("a is a file",), file("a")),
    Case("darkclr generate --samples mine:TOPS --out made", ("mine:TOPS", "No module named")),
    Case("darkclr generate --samples mine:TOPS --out made", ("division by zero",), file("mine.py", "1/0")),
    Case("darkclr generate --samples mine:TOPS --out made", ("mine:TOPS",), file("mine.py", "TOPS = 3")),
    Case("darkclr import nothing.h5 --sample a --out made", ("nothing.h5: no such file",)),
]
CASES = [case for name in NAMES for case in of(name)] + OTHERS
HEAVY = [case for name in NAMES for case in of_torch(name)]
HEAVY += [case(name) for name in NAMES[:2] for case in (signal, twice)]
