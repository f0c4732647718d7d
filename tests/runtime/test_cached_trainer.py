"""What a training worker finds in the store, and what it makes of what a power cut has left there."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest

from darkclr_ray.integrity import write_sealed
from darkclr_ray.jets.packed import TrainingSample
from darkclr_ray.runtime import cached_trainer
from darkclr_ray.runtime.cached_trainer import CachedTrainer, awaited_array
from darkclr_ray.runtime.worker_loop import WorkerContext
from darkclr_ray.store.stages import Store
from darkclr_ray.training.checkpoint import read_history
from darkclr_ray.training.trainer import Trainer

from ..training import toy


@pytest.mark.parametrize("left", ["nothing", "half of it", "zeros", "another bit"])
def test_representations_that_a_power_cut_damaged_are_made_again(left: str, tmp_path: Path) -> None:
    training, jets = toy.encoder_training(), toy.toy_jets(20)
    store, place, sample = Store(tmp_path), WorkerContext("job", 0, 1, toy.CPU), TrainingSample(jets)
    runner = CachedTrainer(store, place, source=None, sample=sample, precision="float32", data_cpus=1.0)
    runner.stage(training).folder.mkdir(parents=True)
    z = np.array(runner.represent(training, jets))
    (path,) = runner.stage(training).folder.glob("head-*.npy")
    whole = path.read_bytes()
    place = len(whole) // 2
    flipped = whole[:place] + bytes([whole[place] ^ 4]) + whole[place + 1 :]
    damaged = {"nothing": b"", "half of it": whole[:place], "zeros": bytes(len(whole)), "another bit": flipped}
    path.write_bytes(damaged[left])
    np.testing.assert_array_equal(runner.represent(training, jets), z)
    assert path.read_bytes() == whole


@pytest.mark.parametrize("block", [1, 7, 20])
def test_representations_that_are_written_in_blocks_are_those_of_memory(
    block: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cached_trainer, "BLOCK", block)
    training, jets = toy.encoder_training(), toy.toy_jets(20)
    expected = Trainer(device="cpu").represent(training, jets)
    store, place = Store(tmp_path), WorkerContext("job", 0, 1, toy.CPU)
    runner = CachedTrainer(store, place, source=None, sample=TrainingSample(jets), precision="float32", data_cpus=1.0)
    tolerance = 0.0 if block == 20 else 1e-6  # a product of matrices depends on their shape in the last bit
    np.testing.assert_allclose(runner.represent(training, jets), expected, rtol=0, atol=tolerance)  # in no folder
    runner.stage(training).folder.mkdir(parents=True)
    written = runner.represent(training, jets)
    assert isinstance(written, np.memmap)
    np.testing.assert_allclose(written, expected, rtol=0, atol=tolerance)
    assert written.dtype == expected.dtype


def test_what_another_node_has_found_is_waited_for_and_not_for_ever(tmp_path: Path) -> None:
    write_sealed(tmp_path / "head.npy", lambda file: np.save(file, np.arange(3, dtype=np.float32)))
    assert awaited_array(tmp_path / "head.npy").tolist() == [0.0, 1.0, 2.0]
    with pytest.raises(FileNotFoundError, match="this node cannot access a file of another node"):
        awaited_array(tmp_path / "elsewhere.npy", limit=0.1)


class Heard(WorkerContext):
    """What a job reports: intermediate results, until its process is killed after so many epochs."""

    metrics: ClassVar[list[tuple[int, float]]] = []
    epochs_left: ClassVar[float] = math.inf
    deaf: ClassVar[bool] = False

    def report(self, progress: dict[str, Any]) -> None:
        pass

    def report_metric(self, values: dict[str, Any]) -> None:
        if not Heard.deaf:
            Heard.metrics.append((values["epoch"], values["objective"]))

    def check_stop(self, progress: dict[str, Any]) -> None:
        Heard.epochs_left -= 1
        if Heard.epochs_left <= 0:
            raise KeyboardInterrupt


@pytest.mark.parametrize("killed", [None, "after its checkpoint", "before anybody heard", "after the training"])
def test_every_rung_is_reported_whenever_a_process_is_killed(
    killed: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    jets = TrainingSample(toy.toy_jets(40))

    def start(job: str = "trial-0000") -> None:
        Heard.metrics.clear()

        def judge(encoder: Any) -> float:
            if Heard.epochs_left == 1.5:  # the next epoch is checkpointed and not judged
                raise KeyboardInterrupt
            return float(encoder.history[-1]["loss"])

        place = Heard(job, 0, 1, toy.CPU)
        runner = CachedTrainer(
            Store(tmp_path),
            place,
            source=None,
            sample=jets,
            precision="float32",
            data_cpus=1.0,
            rungs=(1, 2),
            proxy_objective=judge,
        )
        monkeypatch.setattr(runner, "stage", lambda training: Store(tmp_path).stage("representation", {}, owner=job))
        runner.run(toy.encoder_training())

    Heard.epochs_left, Heard.deaf = math.inf, False
    if killed == "after its checkpoint":
        Heard.epochs_left = 2.5
        with pytest.raises(KeyboardInterrupt):
            start()
    elif killed == "before anybody heard":
        Heard.epochs_left, Heard.deaf = 2, True
        with pytest.raises(KeyboardInterrupt):
            start()
    elif killed == "after the training":
        Heard.deaf = True
        start()
    Heard.epochs_left, Heard.deaf = math.inf, False
    start()
    losses = [record["loss"] for record in read_history(Store(tmp_path).stage("representation", {}).folder)]
    assert sorted(Heard.metrics) == [(1, losses[0]), (2, losses[1])]
    start("trial-0001")  # takes the same encoder, and is not compared with others
    assert Heard.metrics == []
