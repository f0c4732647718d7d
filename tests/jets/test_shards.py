"""Shards on disk: what is written comes back, any tool can read it, and everything broken is named."""

import errno
import json
import os
import resource
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from darkclr_ray.jets.folder import open_jets
from darkclr_ray.jets.packed import Jets, vector_pt
from darkclr_ray.jets.shards import METADATA_KEY, SPLITS, BrokenShard, opened, read_chunks, read_metadata, write_shard
from darkclr_ray.testing import toy_jets


def make_jets(seed: int) -> Jets:
    return toy_jets(30, seed, least=1, most=39)


def assert_same(a: Jets, b: Jets) -> None:
    for name in ("constituents", "offsets", "ids", "events", "kinematics"):
        left, right = getattr(a, name), getattr(b, name)
        assert left.dtype == right.dtype
        np.testing.assert_array_equal(left, right)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for i, (split, sample) in enumerate([("train", "qcd"), ("test", "qcd"), ("test", "aachen")]):
        for shard in range(2):
            path = tmp_path / split / sample / f"shard-{shard:05d}.parquet"
            write_shard(path, make_jets(10 * i + shard), sample, {"name": sample, "shard": shard, "seed": 1})
    return tmp_path


def test_what_is_written_comes_back(folder: Path) -> None:
    jets = open_jets(folder)
    assert jets.splits() == ("train", "test")
    assert jets.samples("test") == ("qcd", "aachen")
    assert_same(jets.load("test", "aachen"), Jets.concatenate([make_jets(20), make_jets(21)]))
    chunks = jets.chunks("train", "qcd")
    assert [chunk.rows for chunk in chunks] == [30, 30]
    assert_same(read_chunks(chunks[1:2]), make_jets(1))
    mixed = [*chunks[::-1], *jets.chunks("test", "qcd"), chunks[0]]
    assert_same(read_chunks(mixed), Jets.concatenate([read_chunks([chunk]) for chunk in mixed]))
    assert jets.metadata("test", "aachen") == {"name": "aachen", "seed": 1, "jets": 60, "shards": 2}


def test_what_is_absent_is_named(folder: Path) -> None:
    jets = open_jets(folder)
    with pytest.raises(ValueError, match="no split 'validation'; present: train, test"):
        jets.samples("validation")
    with pytest.raises(ValueError, match="no sample 'aachen' in train; present: qcd"):
        jets.load("train", "aachen")


def test_pyarrow_pandas_and_awkward_read_shards_as_they_are(folder: Path) -> None:
    awkward, pandas = pytest.importorskip("awkward"), pytest.importorskip("pandas")
    path, jets = folder / "test" / "aachen" / "shard-00000.parquet", make_jets(20)
    table = pq.read_table(path)
    frame = pandas.read_parquet(path)
    array = awkward.from_parquet(path)
    assert frame["sample"].tolist() == table["sample"].to_pylist() == array["sample"].to_list() == ["aachen"] * 30
    for i, name in enumerate(("pt", "eta", "phi", "mass")):
        for column in (table[name], frame[name], array[name]):
            np.testing.assert_array_equal(np.asarray(column), jets.kinematics[:, i])
    for i, name in enumerate(("constituent_pt", "constituent_eta", "constituent_phi")):
        expected = [jets.constituents[a:b, i].tolist() for a, b in zip(jets.offsets, jets.offsets[1:], strict=False)]
        assert table[name].to_pylist() == [list(row) for row in frame[name]] == array[name].to_list() == expected


def test_the_fingerprint_is_of_the_content_of_each_shard(folder: Path) -> None:
    before = open_jets(folder).fingerprint("test", "qcd")
    for path in (folder / "test" / "qcd").iterdir():
        pq.write_table(pq.read_table(path), path, row_group_size=7, compression="snappy")
    assert open_jets(folder).fingerprint("test", "qcd") == before
    write_shard(folder / "test" / "qcd" / "shard-00002.parquet", make_jets(99), "qcd", {})
    assert open_jets(folder).fingerprint("test", "qcd") != before


def rewrite(path: Path, change: Callable[[pa.Table], pa.Table], row_group_size: int = 10) -> None:
    pq.write_table(change(pq.read_table(path)), path, row_group_size=row_group_size)


def replaced(column: str, row: int, value: object) -> Callable[[pa.Table], pa.Table]:
    def change(table: pa.Table) -> pa.Table:
        values = table[column].to_pylist()
        values[row] = value(values[row]) if callable(value) else value
        return table.set_column(
            table.schema.get_field_index(column),
            table.schema.field(column),
            pa.array(values, table.schema.field(column).type),
        )

    return change


def cast(column: str, kind: pa.DataType) -> Callable[[pa.Table], pa.Table]:
    return lambda table: table.set_column(table.schema.get_field_index(column), column, table[column].cast(kind))


NAN = float("nan")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t.drop_columns(["mass"]), r"shard-00000.parquet: column 'mass' is missing; the file has jet_id"),
        (cast("pt", pa.float64()), r"shard-00000.parquet: column 'pt' has type double, expected float"),
        (cast("jet_id", pa.string()), r"column 'jet_id' has type string, expected int64"),
        (lambda t: t.slice(0, 0), r"shard-00000.parquet: an empty file, without a single jet"),
        (replaced("pt", 25, NAN), r"shard-00000.parquet, row group 2, column 'pt': jet 5: nan is not finite"),
        (replaced("pt", 12, -3.0), r"row group 1, column 'pt': jet 2: -3 is not positive"),
        (replaced("pt", 0, 0.0), r"row group 0, column 'pt': jet 0: 0 is not positive"),
        (replaced("eta", 1, float("inf")), r"column 'eta': jet 1: inf is not finite"),
        (replaced("phi", 1, 4.0), r"column 'phi': jet 1: 4 is outside \[-pi, pi\)"),
        (replaced("mass", 1, -1.0), r"column 'mass': jet 1: -1 is negative"),
        (replaced("pt", 11, None), r"row group 1, column 'pt': 1 values are missing"),
        (replaced("sample", 11, "qcd"), r"row group 1, column 'sample': says 'qcd', but the folder is 'aachen'"),
        (replaced("constituent_pt", 11, None), r"row group 1, column 'constituent_pt': 1 values are missing"),
        (replaced("constituent_pt", 11, lambda v: [None, *v[1:]]), r"column 'constituent_pt': 1 values are missing"),
        (
            replaced("constituent_pt", 21, lambda v: [NAN, *v[1:]]),
            r"row group 2, column 'constituent_pt': jet 1: a pT is not finite",
        ),
        (replaced("constituent_pt", 21, lambda v: [*v[:-1], -1.0]), r"'constituent_pt': jet 1: a pT is not positive"),
        (replaced("constituent_pt", 21, lambda v: [*v[:-1], 0.0]), r"'constituent_pt': jet 1: a pT is not positive"),
        (replaced("constituent_pt", 21, lambda v: v[::-1]), r"'constituent_pt': jet 1: constituents are not ordered"),
        (replaced("constituent_eta", 21, lambda v: [NAN, *v[1:]]), r"'constituent_eta': jet 1: an eta is not finite"),
        (replaced("constituent_eta", 21, lambda v: v[:-1]), r"'constituent_eta': jet 1: another number of entries"),
        (replaced("constituent_phi", 21, lambda v: [6.0, *v[1:]]), r"'constituent_phi': jet 1: a phi, relative to"),
    ],
)
def test_a_broken_shard_is_named(folder: Path, change: Callable[[pa.Table], pa.Table], message: str) -> None:
    path = folder / "test" / "aachen" / "shard-00000.parquet"
    (path.parent / "shard-00001.parquet").unlink()
    rewrite(path, change)
    with pytest.raises(BrokenShard, match=message):
        open_jets(folder)


def test_a_jet_without_constituents_is_named(folder: Path) -> None:
    path = folder / "test" / "aachen" / "shard-00000.parquet"
    for name in ("constituent_pt", "constituent_eta", "constituent_phi"):
        rewrite(path, replaced(name, 13, []))
    with pytest.raises(BrokenShard, match=r"row group 1, column 'constituent_pt': jet 3: has no constituents"):
        open_jets(folder)


def test_a_whole_event_taken_for_a_jet_is_named(folder: Path) -> None:
    path = folder / "test" / "aachen" / "shard-00000.parquet"
    for name in ("constituent_pt", "constituent_eta", "constituent_phi"):
        rewrite(path, replaced(name, 13, [1.0] * 10_001))
    with pytest.raises(BrokenShard, match="jet 3: has 10001 constituents"):
        open_jets(folder)


def test_two_schemas_in_one_folder_are_named(folder: Path) -> None:
    rewrite(folder / "test" / "aachen" / "shard-00001.parquet", cast("mass", pa.float64()))
    with pytest.raises(
        BrokenShard, match=r"shard-00001.parquet: two schemas in one folder: columns 'mass' differ from"
    ):
        open_jets(folder)


def test_a_column_that_one_shard_lacks_is_two_schemas(folder: Path) -> None:
    path = folder / "test" / "aachen" / "shard-00000.parquet"
    rewrite(path, lambda table: table.append_column("flavour", table["jet_id"]))
    with pytest.raises(BrokenShard, match=r"two schemas in one folder: columns 'flavour' differ"):
        open_jets(folder)
    rewrite(path.with_name("shard-00001.parquet"), lambda table: table.append_column("flavour", table["jet_id"]))
    assert len(open_jets(folder).load("test", "aachen")) == 60


@pytest.mark.parametrize("kept", [0.0, 0.3, 0.99])
def test_a_truncated_file_is_named(folder: Path, kept: float) -> None:
    path = folder / "train" / "qcd" / "shard-00001.parquet"
    content = path.read_bytes()
    path.write_bytes(content[: int(kept * len(content))])
    with pytest.raises(BrokenShard, match=r"shard-00001.parquet: (truncated|an empty file of 0 bytes)"):
        open_jets(folder)


def test_damage_inside_a_file_is_named(folder: Path) -> None:
    path = folder / "train" / "qcd" / "shard-00001.parquet"
    content = bytearray(path.read_bytes())
    content[100:400] = bytes(300)
    path.write_bytes(content)
    with pytest.raises(BrokenShard, match=r"shard-00001.parquet, row group 0: damaged or truncated"):
        open_jets(folder)


def test_a_jet_that_appears_twice_is_named(folder: Path) -> None:
    shutil.copy(folder / "train" / "qcd" / "shard-00000.parquet", folder / "train" / "qcd" / "shard-00007.parquet")
    with pytest.raises(
        BrokenShard, match=r"shard-00007.parquet, row group 0, column 'jet_id': \d+ is also in .*shard-00000"
    ):
        open_jets(folder)


def test_an_event_in_two_splits_is_named(folder: Path) -> None:
    first = int(make_jets(0).events[0])
    rewrite(folder / "test" / "aachen" / "shard-00000.parquet", replaced("event_id", 0, first))
    with pytest.raises(BrokenShard, match=f"column 'event_id': 1 events, such as {first}, are in both train and test"):
        open_jets(folder)


def test_folders_that_hold_no_jets_are_named(tmp_path: Path) -> None:
    with pytest.raises(BrokenShard, match=r"no such folder; `darkclr generate --out"):
        open_jets(tmp_path / "nowhere")
    with pytest.raises(BrokenShard, match="no jets in this folder; expected <split>/<sample>"):
        open_jets(tmp_path)
    (tmp_path / "test" / "qcd").mkdir(parents=True)
    with pytest.raises(BrokenShard, match="qcd: an empty folder, no"):
        open_jets(tmp_path)


def test_a_misspelt_split_is_named(folder: Path) -> None:
    (folder / "train").rename(folder / "trian")
    with pytest.raises(BrokenShard, match=f"trian: unknown split; rename the folder to one of {', '.join(SPLITS)}"):
        open_jets(folder)


def test_momenta_in_mev_are_suspected(tmp_path: Path) -> None:
    jets = make_jets(0)
    mev = Jets(jets.constituents * np.float32([1000, 1, 1]), jets.offsets, jets.ids, jets.events, jets.kinematics)
    write_shard(tmp_path / "test" / "qcd" / "a.parquet", mev, "qcd", {})
    with pytest.warns(UserWarning, match="'constituent_pt': constituents add up to 1000 times the jet's pT"):
        open_jets(tmp_path)
    mev.kinematics[:, 0] = vector_pt(mev.constituents, mev.offsets)
    write_shard(tmp_path / "test" / "qcd" / "a.parquet", mev, "qcd", {})
    with pytest.warns(UserWarning, match="'pt': the median jet has pT .* if this is MeV"):
        open_jets(tmp_path)


def test_jets_that_could_not_be_opened_are_not_written(tmp_path: Path) -> None:
    jets = make_jets(0)
    jets.kinematics[3, 0] = np.nan
    with pytest.raises(BrokenShard, match="not written: column 'pt': jet 3"):
        write_shard(tmp_path / "test" / "qcd" / "a.parquet", jets, "qcd", {})
    with pytest.raises(BrokenShard, match="not written: there is no jet"):
        write_shard(tmp_path / "test" / "qcd" / "a.parquet", jets.take(np.arange(0)), "qcd", {})
    with pytest.raises(BrokenShard, match="not written: column 'jet_id'"):
        write_shard(tmp_path / "test" / "qcd" / "a.parquet", make_jets(0).take(np.array([1, 1])), "qcd", {})
    assert not list(tmp_path.rglob("*.parquet"))


def test_a_disk_without_room_says_for_which_file(tmp_path: Path) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, hard))
    try:
        with pytest.raises(OSError, match="File too large") as refusal:
            write_shard(tmp_path / "test" / "shard.parquet", make_jets(0), "qcd", {})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert refusal.value.filename == str(tmp_path / "test" / "shard.parquet")
    assert list((tmp_path / "test").iterdir()) == []


def test_a_writer_killed_before_the_end_leaves_no_shard(tmp_path: Path) -> None:
    path = tmp_path / "test" / "qcd" / "a.parquet"
    code = f"""if True:
        import os, signal, sys
        from pathlib import Path
        from darkclr_ray.jets.packed import Jets
        from darkclr_ray.jets.shards import write_shard
        os.fsync = lambda file: os.kill(os.getpid(), signal.SIGKILL)
        write_shard(Path({str(path)!r}), Jets.from_lists([[[200.0, 0.0, 0.0]]]), "qcd", {{}})
    """
    done = subprocess.run([sys.executable, "-c", code], check=False)
    assert done.returncode == -9
    assert [p.suffix for p in path.parent.iterdir()] == [".partial"]
    write_shard(path, make_jets(0), "qcd", {})
    assert len(open_jets(tmp_path).load("test", "qcd")) == 30


def test_the_writer_s_notes_travel_with_the_file(folder: Path) -> None:
    path = folder / "test" / "qcd" / "shard-00001.parquet"
    assert read_metadata(path) == {"name": "qcd", "shard": 1, "seed": 1}
    assert json.loads(pq.read_schema(path).metadata[METADATA_KEY]) == read_metadata(path)
    assert os.stat(path).st_mode & 0o777 == 0o644


def test_a_fault_of_the_disk_is_not_one_of_the_shard(tmp_path: Path) -> None:
    shard = tmp_path / "shard-00000.parquet"
    write_shard(shard, make_jets(1), "qcd", {})
    with pytest.raises(OSError, match="Input/output error"), opened(shard):
        raise OSError(errno.EIO, "Input/output error")
    with pytest.raises(BrokenShard, match="truncated"), opened(shard):
        raise OSError("Corrupt snappy compressed data")
