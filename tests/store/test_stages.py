"""Stages appear whole or not at all, whoever dies; a lock dies with its holder."""

from __future__ import annotations

import hashlib
import os
import shutil
import signal
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor, wait
from pathlib import Path

import numpy as np
import pytest

from darkclr_ray.store.files import read_json, write_json
from darkclr_ray.store.locks import Lock
from darkclr_ray.store.stages import Store, content_hash


def test_a_stage_is_there_after_its_commit_and_not_before(tmp_path: Path) -> None:
    stage = Store(tmp_path).stage("energy", {"key": {"seed": 1}, "precision": "float32"})
    stage.partial.mkdir(parents=True)
    (stage.partial / "weights").write_text("w")
    assert not stage.finished
    stage.commit({"seconds": 3})
    assert stage.finished
    assert not stage.partial.exists()
    assert (stage.folder / "weights").read_text() == "w"
    described = read_json(stage.folder / "stage.json")
    files = {"weights": hashlib.blake2b(b"w", digest_size=16).hexdigest()}
    told = {"kind": "energy", "key": {"seed": 1}, "precision": "float32", "notes": {"seconds": 3}, "files": files}
    assert described == told
    again = Store(tmp_path).find("energy", stage.hash)
    assert again.notes() == {"seconds": 3}


def test_a_damaged_stage_is_deleted_and_computed_again(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    stage = Store(tmp_path).stage("scores", {"key": 1})
    writes = []

    def write(folder: Path) -> None:
        writes.append((folder / "scores").write_text("right"))

    for damage in (
        lambda: (stage.folder / "scores").write_text("wrong"),
        lambda: (stage.folder / "scores").unlink(),
        lambda: (stage.folder / "stage.json").unlink(),
    ):
        stage.get_or_compute(write)
        damage()
        with pytest.raises(ValueError, match="run the study again"):
            Store(tmp_path).find("scores", stage.hash)
        assert not stage.usable()
        assert not stage.folder.exists()
        assert caplog.messages[-1] == f"{stage.folder}: this scores stage is damaged; it is computed again"
        stage.get_or_compute(write)
        assert (stage.folder / "scores").read_text() == "right"
    stage.get_or_compute(write)
    assert len(writes) == 4


def test_a_damaged_stage_whose_lock_is_held_is_left_to_the_holder(tmp_path: Path) -> None:
    stage = Store(tmp_path).stage("scores", {"key": 1})
    stage.get_or_compute(lambda folder: (folder / "scores").write_text("right"))
    (stage.folder / "scores").write_text("wrong")
    with Lock(stage.lock.path) as other:
        assert other.acquire()
        assert not stage.usable()
        assert stage.folder.exists()


def test_the_first_of_two_equal_stages_stays(tmp_path: Path) -> None:
    stage = Store(tmp_path).stage("energy", {"key": 1})
    for content in ("first", "second"):
        stage.partial.mkdir(parents=True)
        (stage.partial / "weights").write_text(content)
        stage.commit()
    assert (stage.folder / "weights").read_text() == "first"
    assert not stage.partial.exists()


def test_two_that_want_to_write_one_stage_wait_for_each_other(tmp_path: Path) -> None:
    """What two jobs of a study share and neither found: one writes it, the other finds it written."""
    first, second = (Store(tmp_path).stage("scores", {"key": 1}) for _ in range(2))
    begun, go_on = threading.Event(), threading.Event()

    def write(folder: Path) -> None:
        begun.set()
        assert go_on.wait(10)
        (folder / "scores").write_text("first")

    with ThreadPoolExecutor(2) as pool:
        one = pool.submit(first.get_or_compute, write, {"by": "first"})
        assert begun.wait(10)
        two = pool.submit(second.get_or_compute, lambda folder: pytest.fail("written twice"))
        assert wait([two], 0.2).not_done  # not without the stage
        go_on.set()
        one.result(10)
        two.result(10)
    assert (second.folder / "scores").read_text() == "first"
    assert second.notes() == {"by": "first"}
    assert not second.partial.exists()


@pytest.mark.parametrize(
    "other",
    [
        {"key": {"seed": 2}, "code": "a", "precision": "float32"},
        {"key": {"seed": 1}, "code": "b", "precision": "float32"},
        {"key": {"seed": 1}, "code": "a", "precision": "bfloat16"},
    ],
)
def test_settings_code_and_precision_make_another_stage(tmp_path: Path, other: dict[str, object]) -> None:
    store = Store(tmp_path)
    stage = store.stage("energy", {"key": {"seed": 1}, "code": "a", "precision": "float32"})
    assert store.stage("energy", other).hash != stage.hash
    assert store.stage("scores", dict(stage.description)).hash != stage.hash
    assert store.stage("energy", dict(reversed(stage.description.items()))).hash == stage.hash


def test_hashes_stay_as_they_are() -> None:
    """A changed hash would orphan every stage of every study; this one was computed with b2sum -l 128."""
    assert content_hash({"a": 1}) == "2c6b113b8dd15ffbded9860b43eb0c6c"


def test_a_missing_stage_is_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="missing; run the study again"):
        Store(tmp_path).find("scores", "0" * 32)


def test_arrays_of_stages_that_are_not_kept_go(tmp_path: Path) -> None:
    store = Store(tmp_path)
    stages = [store.stage("representation", {"key": number}) for number in range(3)]
    for stage in stages:
        stage.partial.mkdir(parents=True)
        np.save(stage.partial / "head.npy", np.zeros(1000))
        (stage.partial / "encoder.safetensors").write_text("w")
        stage.commit()
    here = [stage.folder / "head.npy" for stage in stages]
    assert store.drop_arrays(of={stages[0].hash, stages[1].hash}, but={stages[1].hash}) > 8000
    assert [path.exists() for path in here] == [False, True, True]
    assert store.drop_arrays(but={stages[1].hash}) > 8000
    assert [path.exists() for path in here] == [False, True, False]
    assert all((stage.folder / "encoder.safetensors").exists() for stage in stages)


def test_arrays_of_unfinished_stages_stay(tmp_path: Path) -> None:
    """An unfinished stage's folder may be renamed at any moment; opening it then raised FileNotFoundError."""
    store = Store(tmp_path)
    done, unfinished = (store.stage("energy", {"key": number}) for number in range(2))
    for stage in (done, unfinished):
        stage.partial.mkdir(parents=True)
        np.save(stage.partial / "z.npy", np.zeros(1000))
    done.commit()
    assert store.drop_arrays() > 8000
    assert not (done.folder / "z.npy").exists()
    assert (unfinished.partial / "z.npy").exists()


HOLDER = """
import sys, time
from pathlib import Path
from darkclr_ray.store.locks import Lock
lock = Lock(Path(sys.argv[1]), "trial-0007")
print(lock.acquire(), flush=True)
time.sleep(60)
"""


def test_a_lock_holds_between_processes_and_dies_with_its_holder(tmp_path: Path) -> None:
    path = tmp_path / "locks" / "a"
    holder = subprocess.Popen([sys.executable, "-c", HOLDER, str(path)], stdout=subprocess.PIPE, text=True)
    assert holder.stdout is not None
    try:
        assert holder.stdout.readline().strip() == "True"
        with Lock(path) as lock:
            assert not lock.acquire()
            assert lock.holder() == f"process {holder.pid} on {os.uname().nodename} (trial-0007)"
            os.kill(holder.pid, signal.SIGKILL)
            holder.wait()
            assert lock.acquire()
            assert lock.acquire()  # once held, it is held
        with Lock(path) as other:
            assert other.acquire()  # released by leaving
    finally:
        holder.kill()
        holder.wait()
        holder.stdout.close()


WRITER = """
import sys
from pathlib import Path
from darkclr_ray.store.stages import Store
store, number = Store(Path(sys.argv[1])), 0
while True:
    number += 1
    stage = store.stage("scores", {"number": number})
    stage.partial.mkdir(parents=True, exist_ok=True)
    for part in range(5):
        (stage.partial / f"part-{part}").write_text("x" * 10000)
    stage.commit({"parts": 5})
    print(number, flush=True)
"""


def test_a_killed_writer_leaves_no_half_stage(tmp_path: Path) -> None:
    for _ in range(3):
        writer = subprocess.Popen([sys.executable, "-c", WRITER, str(tmp_path)], stdout=subprocess.PIPE, text=True)
        assert writer.stdout is not None
        for _ in range(5):
            writer.stdout.readline()
        writer.kill()
        writer.wait()
        writer.stdout.close()
        finished = [path for path in (tmp_path / "scores").iterdir() if not path.name.endswith(".partial")]
        assert finished
        for folder in finished:
            assert read_json(folder / "stage.json")["notes"] == {"parts": 5}
            assert sum((folder / f"part-{part}").stat().st_size for part in range(5)) == 50000


def test_json_files_are_replaced_whole(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "file.json"
    write_json(path, {"a": 1})
    with pytest.raises(ValueError):
        write_json(path, {"a": float("nan")})
    assert read_json(path) == {"a": 1}
    path.write_text("{")
    with pytest.raises(ValueError, match="cannot be read"):
        read_json(path)


def test_a_store_that_is_gone_is_not_begun_anew(tmp_path: Path) -> None:
    store = Store(tmp_path / "stages")
    with pytest.raises(FileNotFoundError, match="the folder of the study's stages is gone"):
        store.stage("energy", {"key": 1})
    with pytest.raises(FileNotFoundError):
        write_json(tmp_path / "study" / "trials" / "0001.json", {})
    assert not any(tmp_path.iterdir())


def test_a_stage_is_taken_over_from_another_study(tmp_path: Path) -> None:
    """Of two studies in one folder, the second computes nothing that the first has; a damaged stage is not taken."""
    for study in ("first", "second", "third"):
        (tmp_path / study / "stages").mkdir(parents=True)
    first = Store.of_study(tmp_path / "first").stage("energy", {"key": 1})
    first.get_or_compute(lambda folder: (folder / "weights").write_text("w"), {"seconds": 3})
    (first.folder / "head-1.npy").write_bytes(b"z")

    def never(folder: Path) -> None:
        raise AssertionError("computed again")

    second = Store.of_study(tmp_path / "second").stage("energy", {"key": 1})
    assert not second.finished
    second.get_or_compute(never)
    assert (second.folder / "weights").read_text() == "w"
    assert second.notes() == {"seconds": 3}
    assert sorted(path.name for path in second.folder.iterdir()) == ["stage.json", "weights"]
    assert not Store.of_study(tmp_path / "second").stage("energy", {"key": 2}).usable()

    (first.folder / "weights").unlink()  # the link in the second study stays
    assert second.whole()
    shutil.rmtree(second.folder)
    third = Store.of_study(tmp_path / "third").stage("energy", {"key": 1})
    assert not third.usable()  # the first one's is damaged now
    assert not list(third.folder.parent.glob("*.copy"))
    assert not Store(tmp_path / "second" / "stages").stage("energy", {"key": 1}).usable()  # on its own
