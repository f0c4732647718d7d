"""Jets that are unpacked on disk are those of the shards, and take no memory of the process."""

from pathlib import Path

import numpy as np
import pytest

from darkclr_ray.jets import unpacked
from darkclr_ray.jets.folder import open_jets
from darkclr_ray.jets.packed import Jets
from darkclr_ray.jets.shards import write_shard
from darkclr_ray.jets.unpacked import is_mapped, mapped, unpack
from darkclr_ray.testing import toy_jets


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    whole = toy_jets(5000, 1, least=1, most=9)
    for number in range(2):
        part = whole.take(slice(2500 * number, 2500 * (number + 1)))
        write_shard(tmp_path / "test" / "qcd" / f"shard-{number:05d}.parquet", part, "qcd", {})
    return tmp_path


def assert_same(a: Jets, b: Jets) -> None:
    for name in ("constituents", "offsets", "ids", "events", "kinematics"):
        np.testing.assert_array_equal(getattr(a, name), getattr(b, name), strict=True)


@pytest.mark.parametrize("groups", [1, 2, 16])
def test_maps_are_the_jets_of_the_shards(folder: Path, groups: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unpacked, "GROUPS", groups)
    opened = open_jets(folder)
    held, on_disk = opened.load("test", "qcd"), opened.load("test", "qcd", limit=opened.nbytes("test", "qcd") - 1)
    assert (is_mapped(held), is_mapped(on_disk)) == (False, True)
    assert not is_mapped(opened.load("test", "qcd", limit=opened.nbytes("test", "qcd")))
    assert_same(on_disk, held)
    assert on_disk.fingerprint == held.fingerprint == opened.fingerprint("test", "qcd")
    assert_same(on_disk.take(np.array([4000, 3])), held.take(np.array([4000, 3])))
    assert not on_disk.constituents.flags.writeable


def test_jets_are_unpacked_once(folder: Path) -> None:
    opened = open_jets(folder)
    place = opened.unpacked("test", "qcd")
    before = {path: path.stat().st_mtime_ns for path in place.iterdir()}
    assert open_jets(folder).unpacked("test", "qcd") == place
    assert {path: path.stat().st_mtime_ns for path in place.iterdir()} == before


def test_what_was_unpacked_goes_with_its_jets(folder: Path) -> None:
    place = open_jets(folder).unpacked("test", "qcd")
    (folder / "test" / "qcd" / "shard-00001.parquet").unlink()
    write_shard(folder / "test" / "qcd" / "shard-00002.parquet", toy_jets(30, 2, least=1, most=9), "qcd", {})
    opened = open_jets(folder)
    assert not place.exists()
    assert len(mapped(opened.unpacked("test", "qcd"))) == 2530


def test_an_interrupted_unpacking_leaves_nothing(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    opened = open_jets(folder)
    with monkeypatch.context() as patch:
        patch.setattr(unpacked, "read_chunks", full)
        with pytest.raises(OSError, match="No space left"):
            opened.unpacked("test", "qcd")
    assert not [path for path in (folder / ".manifest").iterdir() if path.is_dir()]
    assert len(mapped(opened.unpacked("test", "qcd"))) == 5000


def test_of_two_processes_that_unpack_the_faster_one_wins(folder: Path) -> None:
    opened = open_jets(folder)
    chunks, place = opened.chunks("test", "qcd"), opened.unpacked("test", "qcd")
    assert unpack(chunks, 0, place) == place
