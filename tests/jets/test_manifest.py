"""A set of jets is read once: what its manifest knows is not read again, and nothing changed or added is missed."""

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from darkclr_ray.jets import checking
from darkclr_ray.jets.folder import JetFolder, open_jets
from darkclr_ray.jets.manifest import FILE
from darkclr_ray.jets.packed import Jets
from darkclr_ray.jets.shards import SPLITS, BrokenShard, write_shard
from darkclr_ray.testing import toy_jets


def make_jets(seed: int, *, ids: range | None = None, events: range | None = None) -> Jets:
    jets = toy_jets(30, seed, least=1, most=9)
    first = 1000 * seed
    numbers = [np.array(some or range(first, first + 30), dtype=np.int64)[::-1] for some in (ids, events)]
    return Jets(jets.constituents, jets.offsets, *numbers, jets.kinematics)


def shard(folder: Path, split: str, number: int) -> Path:
    return folder / split / "qcd" / f"shard-{number:05d}.parquet"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    for at, split in enumerate(SPLITS):
        for number in range(3):
            write_shard(shard(tmp_path / "jets", split, number), make_jets(10 * at + number), "qcd", {"number": number})
    return tmp_path / "jets"


def blank(path: Path) -> None:
    """Replace the content of a file such that only its content shows it."""
    status = path.stat()
    path.write_bytes(bytes(status.st_size))
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


def facts(jets: JetFolder) -> list[object]:
    return [
        (split, jets.fingerprint(split, "qcd"), jets.chunks(split, "qcd"), jets.metadata(split, "qcd"))
        for split in SPLITS
    ]


def test_unchanged_shards_are_not_read_again(folder: Path) -> None:
    first = open_jets(folder)
    for path in folder.rglob("*.parquet"):
        blank(path)
    again = open_jets(folder)
    assert facts(again) == facts(first)
    assert [first.metadata(split, "qcd")["jets"] for split in SPLITS] == [90, 90, 90]
    assert [len(first.chunks(split, "qcd")) for split in SPLITS] == [3, 3, 3]


def test_a_changed_shard_is_read_again_and_no_other(folder: Path) -> None:
    before = open_jets(folder)
    blank(shard(folder, "test", 0))
    write_shard(shard(folder, "train", 1), make_jets(99), "qcd", {})
    after = open_jets(folder)
    assert after.fingerprint("test", "qcd") == before.fingerprint("test", "qcd")
    assert after.fingerprint("train", "qcd") != before.fingerprint("train", "qcd")
    shard(folder, "train", 1).write_bytes(b"no Parquet file")
    with pytest.raises(BrokenShard, match=r"train/qcd/shard-00001.parquet: truncated, or no Parquet file"):
        open_jets(folder)


def test_a_shard_that_is_gone_is_not_missed(folder: Path) -> None:
    open_jets(folder)
    shard(folder, "test", 2).unlink()
    assert open_jets(folder).metadata("test", "qcd")["jets"] == 60


@pytest.mark.parametrize("bucket", [checking.BUCKET, 7])
@pytest.mark.parametrize("known", [True, False])
def test_what_is_added_is_compared_with_what_is_known(
    folder: Path, known: bool, bucket: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checking, "BUCKET", bucket)
    added = shard(folder, "test", 9)
    if known:
        open_jets(folder)
    write_shard(added, make_jets(50, ids=range(12, 42)), "qcd", {})
    duplicate = (
        r"test/qcd/shard-00009.parquet, row group 0, column 'jet_id': 12 is also in "
        r".*train/qcd/shard-00000.parquet, row group 0 \(18 duplicates in"
    )
    with pytest.raises(BrokenShard, match=duplicate):
        open_jets(folder)
    write_shard(added, make_jets(50, events=range(10015, 10045)), "qcd", {})
    with pytest.raises(BrokenShard, match="15 events, such as 10015, are in both validation and test"):
        open_jets(folder)
    write_shard(added, make_jets(50, events=range(20015, 20045)), "qcd", {})
    assert open_jets(folder).metadata("test", "qcd")["jets"] == 120


def damaged(place: Path) -> None:
    content = bytearray((place / FILE).read_bytes())
    content[len(content) // 2] ^= 1
    (place / FILE).write_bytes(content)


def without_runs(place: Path) -> None:
    for path in place.glob("*.npy"):
        path.unlink()


@pytest.mark.parametrize("harm", [damaged, without_runs])
def test_what_is_damaged_or_gone_is_made_again(folder: Path, harm: Callable[[Path], None]) -> None:
    before = facts(open_jets(folder))
    harm(folder / ".manifest")
    assert facts(open_jets(folder)) == before
    harm(folder / ".manifest")
    write_shard(shard(folder, "test", 9), make_jets(50, ids=range(12, 42)), "qcd", {})
    with pytest.raises(BrokenShard, match="18 duplicates"):
        open_jets(folder)


def test_a_set_that_is_not_writable_has_its_manifest_in_the_cache(folder: Path) -> None:
    (folder / ".manifest").write_text("no folder can be made here")
    before = facts(open_jets(folder))
    assert len(list((folder.parent / "cache").rglob(FILE))) == 1
    for path in folder.rglob("*.parquet"):
        blank(path)
    assert facts(open_jets(folder)) == before


def test_a_manifest_beside_shards_is_used_where_it_cannot_be_written(folder: Path) -> None:
    """As on a shared disk, where its owner has opened the set before."""
    before = facts(open_jets(folder))
    assert not list((folder.parent / "cache").rglob(FILE))
    for path in folder.rglob("*.parquet"):
        blank(path)
    for path in [*folder.rglob("*"), folder]:
        path.chmod(0o555 if path.is_dir() else 0o444)
    try:
        assert facts(open_jets(folder)) == before
    finally:
        for path in [folder, *folder.rglob("*")]:
            path.chmod(0o755 if path.is_dir() else 0o644)


def test_where_nothing_is_writable_shards_are_read_each_time(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / ".manifest").write_text("no folder can be made here")
    (folder.parent / "cache").write_text("nor here")
    before = facts(open_jets(folder))
    assert facts(open_jets(folder)) == before
    write_shard(shard(folder, "test", 9), make_jets(50, ids=range(12, 42)), "qcd", {})
    with pytest.raises(BrokenShard, match="18 duplicates"):
        open_jets(folder)


def test_a_warning_is_given_each_time(folder: Path) -> None:
    jets = make_jets(50)
    jets.kinematics[:, 0] *= 1000
    write_shard(shard(folder, "test", 9), jets, "qcd", {})
    for _ in range(2):
        with pytest.warns(UserWarning, match="shard-00009.parquet, row group 0, column 'pt': the median jet"):
            open_jets(folder)


@pytest.mark.parametrize("bucket", [5, 64])
def test_merges_find_what_sets_find(bucket: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checking, "BUCKET", bucket)
    for seed in range(40):
        random = np.random.default_rng(seed)
        sizes = random.integers(1, 30, size=4)
        splits = {
            split: [np.unique(random.integers(-2000, 2000, size=size))]
            for split, size in zip("abcd", sizes, strict=True)
        }
        shared = [
            (one, other, set(splits[one][0].tolist()) & set(splits[other][0].tolist()))
            for at, one in enumerate(splits)
            for other in list(splits)[at + 1 :]
        ]
        expected = next(((a, b, len(s), min(s)) for a, b, s in shared if s), None)
        if expected is None:
            checking.check_events(Path("jets"), splits)
        else:
            one, other, number, least = expected
            with pytest.raises(BrokenShard, match=f"{number} events, such as {least}, are in both {one} and {other}"):
                checking.check_events(Path("jets"), splits)
