"""Batches from Ray Data: bit for bit those from memory, however they are made; and that a stream goes on and ends."""

from __future__ import annotations

import dataclasses
import itertools
import os
import shutil
import signal
import threading
import time
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
import pytest
from ray.data import DataContext

from darkclr_ray import streams
from darkclr_ray.augmentations.views import MemoryViews, ViewBatch
from darkclr_ray.jets.folder import JetFolder, open_jets
from darkclr_ray.jets.packed import Jets, TrainingSample
from darkclr_ray.jets.shards import Chunk, write_shard
from darkclr_ray.settings import InputSettings, ViewSettings
from darkclr_ray.streams import RayViews, ShardJets, StoredJets, materialise, store

SETTINGS = {
    "views": ViewSettings(p_drop=(0.2, 0.8)),
    "inputs": InputSettings(),
    "batch_size": 32,
    "seed": 4,
    "pool": 300,
}
EPOCHS = 3

pytestmark = pytest.mark.usefixtures("ray_session")


@pytest.fixture(scope="module")
def folder(toy_jets: Callable[..., Jets], tmp_path_factory: pytest.TempPathFactory) -> JetFolder:
    """2,600 jets in two shards of two row groups each."""
    path, jets = tmp_path_factory.mktemp("jets"), toy_jets(2600)
    for number, part in enumerate((jets.take(np.arange(1400)), jets.take(np.arange(1400, 2600)))):
        write_shard(path / "train" / "qcd" / f"shard-{number:05}.parquet", part, "qcd", {})
    return open_jets(path)


@pytest.fixture(scope="module")
def memory(folder: JetFolder) -> list[ViewBatch]:
    """The batches that every stream must give."""
    sample = TrainingSample(folder.load("train", "qcd"))
    return list(MemoryViews(sample, **SETTINGS).stream(0, EPOCHS))


@pytest.fixture(scope="module")
def stored(folder: JetFolder) -> StoredJets:
    return store(folder.load("train", "qcd"))


def assert_same(batches: Iterable[ViewBatch], expected: Iterable[ViewBatch]) -> None:
    for batch, other in itertools.zip_longest(batches, expected):
        for field in dataclasses.fields(ViewBatch):
            np.testing.assert_array_equal(getattr(batch, field.name), getattr(other, field.name), strict=True)


@pytest.mark.parametrize("cpus", [0.5, 2.0])
@pytest.mark.parametrize("task", [1, 10**9], ids=["a task a pool", "one task"])
def test_same_as_from_memory(
    stored: StoredJets, memory: list[ViewBatch], monkeypatch: pytest.MonkeyPatch, cpus: float, task: int
):
    monkeypatch.setattr(streams, "TASK", task)
    monkeypatch.setattr(streams, "BLOCK_BYTES", 10**5)
    assert_same(RayViews(stored, cpus=cpus, **SETTINGS).stream(0, EPOCHS), memory)


def test_from_shards(folder: JetFolder, memory: list[ViewBatch]):
    source = materialise(folder, "train", "qcd", limit=0.0)
    assert isinstance(source, ShardJets)
    assert len(source.chunks) == 4
    assert_same(RayViews(source, **SETTINGS).stream(0, EPOCHS), memory)


@pytest.mark.parametrize("source", ["with trees", "without trees", "shards"])
def test_views_that_need_trees(folder: JetFolder, source: str):
    settings = SETTINGS | {"views": ViewSettings(anomalous=("branch_dropping", "rotation"), conserved_pt="floor")}
    limit, trees = 0.0 if source == "shards" else 4.0, source == "with trees"
    jets = materialise(folder, "train", "qcd", limit=limit, trees=trees)
    assert ("tree" in vars(jets.load())) == trees
    memory = MemoryViews(TrainingSample(folder.load("train", "qcd")), **settings).stream(0, EPOCHS)
    assert_same(RayViews(jets, cpus=2.0, **settings).stream(0, EPOCHS), memory)


def test_from_a_later_epoch(stored: StoredJets, memory: list[ViewBatch]):
    views = RayViews(stored, **SETTINGS)
    assert views.steps_per_epoch == 81
    assert_same(views.stream(2, EPOCHS), memory[2 * 81 :])
    assert list(views.stream(EPOCHS, EPOCHS)) == []


def test_ranks_share_each_batch(folder: JetFolder, stored: StoredJets):
    memory = MemoryViews(TrainingSample(folder.load("train", "qcd")), **SETTINGS)
    for rank in range(2):
        assert_same(RayViews(stored, **SETTINGS).stream(0, 1, rank, 2), memory.stream(0, 1, rank, 2))


def test_after_a_data_worker_was_killed(
    stored: StoredJets, memory: list[ViewBatch], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    """The worker dies while some of its blocks are out already, and its task is run again by another."""

    @dataclasses.dataclass(frozen=True)
    class Deadly(StoredJets):
        folder: str

        def read(self, rows):
            log = Path(self.folder, str(os.getpid()))
            log.write_text((log.read_text() if log.exists() else "") + "x")
            if len(list(log.parent.iterdir())) == 1 and len(log.read_text()) == 6:
                os.kill(os.getpid(), signal.SIGKILL)
            return super().read(rows)

    monkeypatch.setattr(streams, "BLOCK_BYTES", 10**5)
    source = Deadly(stored.reference, stored.jets, str(tmp_path))
    assert_same(RayViews(source, **SETTINGS).stream(0, EPOCHS), memory)
    reads = sorted(len(log.read_text()) for log in tmp_path.iterdir())
    assert reads == [6, 27]  # nine pools an epoch; the second worker begins again


def test_feeds_a_training_that_holds_all_other_cpus(stored: StoredJets, memory: list[ViewBatch]):
    import ray

    @ray.remote(num_cpus=1)
    def train(views: RayViews) -> list[int]:
        return [batch.step for batch in views.stream(0, 2)]

    assert ray.get(train.remote(RayViews(stored, cpus=1.0, **SETTINGS))) == [b.step for b in memory[: 2 * 81]]


def test_a_stream_can_be_left(stored: StoredJets, memory: list[ViewBatch]):
    """A training that ends early gives the CPUs back: others, as many as there are, get all they need."""
    views = RayViews(stored, cpus=2.0, **SETTINGS)
    for _ in range(2):
        assert_same(itertools.islice(views.stream(0, 1000), 5), memory[:5])


def test_data_workers_wait_for_a_slow_training(stored: StoredJets, monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    """Of 900 pools of some 300 kB each, few more are made than the limit on waiting batches allows."""

    @dataclasses.dataclass(frozen=True)
    class Counted(StoredJets):
        file: str

        def read(self, rows):
            with Path(self.file).open("a") as file:
                file.write("x")
            return super().read(rows)

    monkeypatch.setattr(streams, "BLOCK_BYTES", 10**6)
    monkeypatch.setattr(streams, "WAITING_BYTES", 5 * 10**6)
    file = tmp_path / "reads"
    stream = RayViews(Counted(stored.reference, stored.jets, str(file)), **SETTINGS).stream(0, 100)
    next(stream)
    made = [0, len(file.read_text())]
    while made[-1] > made[-2]:
        time.sleep(1.5)
        made.append(len(file.read_text()))
    assert made[-1] < 150
    assert len(list(itertools.islice(stream, 500))) == 500  # and go on when it takes what waits
    stream.close()


def test_waiting_costs_no_cpu(stored: StoredJets, monkeypatch: pytest.MonkeyPatch):
    """Ray Data's thread, in the training's process, hardly turns while the training works on what it has."""
    turns = []

    class Counting(streams._Unhurried):
        def on_execution_step(self, executor):
            turns.append(executor)

    monkeypatch.setattr(streams, "WAITING_BYTES", 10**6)
    monkeypatch.setattr(DataContext.get_current(), "custom_execution_callback_classes", [Counting])
    stream = RayViews(stored, **SETTINGS).stream(0, 200)
    next(stream)
    time.sleep(1.0)
    turns.clear()
    time.sleep(2.0)
    assert len(turns) < 2.0 / streams.PAUSE  # without a pause: tens of thousands
    stream.close()


def test_a_stream_left_early_leaves_nothing_behind(stored: StoredJets):
    def executions() -> set[threading.Thread]:
        return {thread for thread in threading.enumerate() if thread.name.startswith("StreamingExecutor")}

    before = executions()
    stream = RayViews(stored, **SETTINGS).stream(0, 200)
    next(stream)
    running = executions() - before
    assert len(running) == 1
    stream.close()
    assert not any(thread.is_alive() for thread in running)


def test_materialise(folder: JetFolder):
    jets = folder.load("train", "qcd")
    size = sum(array.nbytes for array in (jets.constituents, jets.ids, jets.events, jets.kinematics, jets.offsets[1:]))
    assert folder.nbytes("train", "qcd") == size
    stored, shards = (materialise(folder, "train", "qcd", limit=part * size / 1e9) for part in (1.0, 0.999))
    assert isinstance(stored, StoredJets)
    assert isinstance(shards, ShardJets)
    # jets that were hashed when they were checked are not hashed again, wherever they wait
    assert stored.load().fingerprint == shards.load().fingerprint == folder.fingerprint("train", "qcd")
    with pytest.raises(ValueError, match=r"row group 3: 1000000 jets; .*row_group_size=1000"):
        ShardJets((Chunk("a.parquet", 3, 1_000_000),))


def test_a_shard_that_changes_is_not_read(folder: JetFolder, tmp_path: Path):
    chunk = folder.chunks("train", "qcd")[0]
    copy = tmp_path / "shard.parquet"
    shutil.copy(chunk.path, copy)
    source = ShardJets((Chunk(str(copy), chunk.row_group, chunk.rows),))
    assert len(source.load()) == chunk.rows
    copy.write_bytes(copy.read_bytes()[:-100])
    with pytest.raises(OSError, match=r"these jets changed while they were used.*shard\.parquet"):
        source.load()


def test_shards_are_found_from_any_folder(folder: JetFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    chunk = folder.chunks("train", "qcd")[0]
    monkeypatch.chdir(Path(chunk.path).parent)
    source = ShardJets((chunk._replace(path=Path(chunk.path).name),))
    monkeypatch.chdir(tmp_path)
    assert len(source.load()) == chunk.rows


def test_quiet(stored: StoredJets, capfd: pytest.CaptureFixture[str]):
    assert len(list(RayViews(stored, **SETTINGS).stream(0, 1))) == 81
    assert capfd.readouterr() == ("", "")
