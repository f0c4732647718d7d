"""Disks of results that are full, read-only or gone, and shards that change under a study."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from .conftest import EPOCHS
from .study_run import StudyRun, same

pytestmark = pytest.mark.slow

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount")


def mount(*words: str | Path) -> None:
    subprocess.run(["mount", *map(str, words)], check=True)


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A small disk for the results."""
    folder = tmp_path / "results"
    folder.mkdir(exist_ok=True)
    mount("-t", "tmpfs", "-o", "size=64m", "results", folder)
    yield folder
    subprocess.run(["umount", "--lazy", folder], capture_output=True)


@pytest.fixture
def on_disk(run: StudyRun, disk: Path) -> StudyRun:
    run.options |= EPOCHS
    return run


@pytest.fixture(scope="module")
def undisturbed(undisturbed_longer: StudyRun) -> StudyRun:
    return undisturbed_longer


def stopped_by(run: StudyRun, *words: str) -> None:
    run.finish(1)
    assert any(word in run.screen() for word in words), run.screen()
    assert "To continue:" in run.screen()
    assert "Traceback" not in run.screen()


@as_root
def test_a_full_disk(on_disk: StudyRun, disk: Path, undisturbed: StudyRun, witness: Any) -> None:
    on_disk.start()
    on_disk.until_checkpoint()
    ballast = disk / "ballast"
    with open(ballast, "wb") as file:
        for size in (2**16, 2**12):
            with suppress(OSError):
                while True:
                    os.write(file.fileno(), bytes(size))
    stopped_by(on_disk, "No space left on device")
    ballast.unlink()
    with witness("the disk of results full, then mended", on_disk, "pauses; complete, same scores"):
        on_disk.start()
    on_disk.finish()
    same(on_disk, undisturbed)


class Ext4:
    """A file system in a file, which turns read-only at its first fault, as most do."""

    def __init__(self, image: Path, folder: Path) -> None:
        self.image, self.folder = image, folder
        with open(image, "wb") as file:
            file.truncate(96 * 2**20)
        subprocess.run(["mkfs.ext4", "-q", image], check=True)
        self.mount()

    def mount(self) -> None:
        mount("-o", "loop,errors=remount-ro", self.image, self.folder)
        where = subprocess.run(["findmnt", "-no", "SOURCE", self.folder], check=True, capture_output=True, text=True)
        self.controls = Path("/sys/fs/ext4") / Path(where.stdout.strip()).name

    def fail(self) -> None:
        with suppress(OSError), open(self.controls / "trigger_fs_error", "w") as file:
            file.write("1")

    def mend(self) -> None:
        subprocess.run(["umount", self.folder], check=True)
        subprocess.run(["fsck.ext4", "-fy", self.image], capture_output=True)
        self.mount()


@as_root
@pytest.mark.skipif(shutil.which("mkfs.ext4", path="/usr/sbin:/sbin") is None, reason="there is no ext4 here")
def test_a_disk_that_turns_read_only(run: StudyRun, tmp_path: Path, undisturbed: StudyRun, witness: Any) -> None:
    disk = Ext4(tmp_path / "disk.img", tmp_path / "results")
    try:
        run.options |= EPOCHS
        run.start()
        run.until_checkpoint()
        disk.fail()
        stopped_by(run, "Read-only file system")
        disk.mend()
        with witness("the disk of results read-only, then mended", run, "pauses; complete, same scores"):
            run.start()
        run.finish()
        same(run, undisturbed)
    finally:
        run.end()
        subprocess.run(["umount", "--lazy", disk.folder], capture_output=True)


@as_root
def test_a_disk_that_is_gone(
    on_disk: StudyRun, disk: Path, tmp_path: Path, undisturbed: StudyRun, witness: Any
) -> None:
    kept = tmp_path / "kept"
    kept.mkdir()
    mount("--bind", disk, kept)
    try:
        on_disk.start()
        on_disk.until_checkpoint()
        subprocess.run(["umount", "--lazy", disk], check=True)
        stopped_by(on_disk, "No such file or directory", "is gone")
        assert not any(disk.rglob("checkpoint.pt"))  # nothing is begun anew where the disk was
        shutil.rmtree(disk / "scan", ignore_errors=True)
        mount("--bind", kept, disk)
        with witness("the disk of results gone, then back", on_disk, "pauses; complete, same scores"):
            on_disk.start()
        on_disk.finish()
        same(on_disk, undisturbed)
    finally:
        subprocess.run(["umount", "--lazy", kept], check=True)


def truncate(shard: Path) -> None:
    shard.write_bytes(shard.read_bytes()[:-1000])


def replace(shard: Path) -> None:
    """By jets that are as good, but others."""
    shutil.copy(shard.parents[2] / "validation" / "qcd" / shard.name, shard)


@pytest.mark.parametrize("change", [truncate, replace])
def test_a_shard_that_changes_between_two_epochs(
    change: Any, run: StudyRun, undisturbed: StudyRun, jet_folder: Path, tmp_path: Path, witness: Any
) -> None:
    """Streamed from shards, not held in memory."""
    jets = tmp_path / "jets"
    shutil.copytree(jet_folder, jets)
    shard = jets / "train" / "qcd" / "shard-00000.parquet"
    run.options |= EPOCHS | {"--jets": str(jets), "--compute.materialise_limit": "0"}
    run.start()
    run.until_checkpoint()
    change(shard)
    stopped_by(run, str(shard))
    shutil.copy(jet_folder / "train" / "qcd" / shard.name, shard)
    with witness(f"a shard {change.__name__}d, then mended", run, "pauses; complete, same scores"):
        run.start()
    run.finish()
    same(run, undisturbed)
