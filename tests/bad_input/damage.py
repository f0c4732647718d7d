"""Ways to damage what a command reads, or to put something in its way."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import h5py
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from darkclr_ray.jets.packed import Jets
from darkclr_ray.jets.shards import write_shard
from darkclr_ray.presets import preset
from darkclr_ray.store.files import read_json, write_json
from darkclr_ray.study.folder import StudyFolder
from darkclr_ray.study.jets import open_study_jets

Change = Callable[[Path], object]
"""What is done to a case's own folder, in which good jets are in ``jets``."""


class Case(NamedTuple):
    """A command, what was done to its folder before, and what the message must say."""

    command: str
    words: tuple[str, ...]
    change: Change | None = None


def good(seed: int) -> Jets:
    """Twenty jets of about 200 GeV with 2 to 10 constituents."""
    sizes = np.random.default_rng(seed).integers(1, 10, 20)
    jets = Jets.from_lists([[[100.0, 0.0, 0.0], *([100.0 / size, 0.1, -0.1],) * size] for size in sizes])
    numbers = 100 * seed + np.arange(20)
    return Jets(jets.constituents, jets.offsets, numbers, numbers.copy(), jets.kinematics)


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


def constituent(name: str, value: object) -> Change:
    """One column of the third jet's constituents in the second row group."""
    return edited(f"constituent_{name}", 12, value)


def constituents(value: list[float]) -> Change:
    """The same numbers for its pT, eta and phi: tiny ones are possible in each."""
    return both(*(constituent(name, value) for name in ("pt", "eta", "phi")))


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


LOCKS: list[StudyFolder] = []


def study(here: Path) -> StudyFolder:
    """A study on these jets that was begun."""
    sizes = {"contrastive": {"batch_size": 8}, "nae": {"batch_size": 8}}
    settings = preset("laptop").updated({"jets": str(here / "jets"), **sizes})
    folder = StudyFolder(here / "results" / "embedding_scan")
    folder.claim()
    known = {"jets": {"path": "jets", "fingerprints": open_study_jets(settings).fingerprints}}
    folder.describe(settings, "laptop", ["python", "x"], {}, known)
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


def flipped(name: str) -> Change:
    """One bit of a study's file is another one: the first 3 in it has become a 2."""

    def change(here: Path) -> None:
        path = here / "results" / "embedding_scan" / name
        content = path.read_bytes()
        place = content.index(b"3")
        path.write_bytes(content[:place] + b"2" + content[place + 1 :])

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
