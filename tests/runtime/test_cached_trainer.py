"""What a training worker finds in the store, and what it makes of what a power cut has left there."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from darkclr_ray.integrity import write_sealed
from darkclr_ray.jets.packed import TrainingSample
from darkclr_ray.runtime.cached_trainer import CachedTrainer, awaited_array
from darkclr_ray.runtime.worker_loop import WorkerContext
from darkclr_ray.store.stages import Store

from ..training import toy


@pytest.mark.parametrize("left", ["nothing", "half of it", "zeros", "another bit"])
def test_representations_that_a_power_cut_damaged_are_made_again(left: str, tmp_path: Path) -> None:
    training, jets = toy.encoder_training(), toy.toy_jets(20)
    store, place, sample = Store(tmp_path), WorkerContext("job", 0, 1, toy.CPU), TrainingSample(jets)
    runner = CachedTrainer(store, place, source=None, sample=sample, precision="float32", data_cpus=1.0)
    runner.stage(training).folder.mkdir(parents=True)
    z = runner.represent(training, jets)
    (path,) = runner.stage(training).folder.glob("head-*.npy")
    whole = path.read_bytes()
    place = len(whole) // 2
    flipped = whole[:place] + bytes([whole[place] ^ 4]) + whole[place + 1 :]
    damaged = {"nothing": b"", "half of it": whole[:place], "zeros": bytes(len(whole)), "another bit": flipped}
    path.write_bytes(damaged[left])
    np.testing.assert_array_equal(runner.represent(training, jets), z)
    assert path.read_bytes() == whole


def test_what_another_node_has_found_is_waited_for_and_not_for_ever(tmp_path: Path) -> None:
    write_sealed(tmp_path / "head.npy", lambda file: np.save(file, np.arange(3, dtype=np.float32)))
    assert awaited_array(tmp_path / "head.npy").tolist() == [0.0, 1.0, 2.0]
    with pytest.raises(FileNotFoundError, match="another has found"):
        awaited_array(tmp_path / "elsewhere.npy", limit=0.1)
