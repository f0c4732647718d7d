"""The loop: records, best epoch, resume after a kill, and what ends a training early."""

from __future__ import annotations

import copy
import json
import signal

import pytest
import torch
from safetensors.torch import load_file

from darkclr_ray.integrity import announcements
from darkclr_ray.training.checkpoint import CHECKPOINT, HISTORY, read_history
from darkclr_ray.training.loop import StopTraining, run_training

LIMIT = 300.0
"""Seconds that a process may take: many times what it does."""
KINDS = ("representation", "energy", "supervised")
SELECTED = {
    "representation": lambda record: record["validation_loss"],
    "energy": lambda record: (
        abs(record["energy_data"] - record["energy_chain"]) if "energy_chain" in record else float("inf")
    ),
    "supervised": lambda record: record["validation_loss"],
}
"""What the best epoch has least of."""


def artifacts(folder):
    return {path.name: load_file(path) for path in sorted(folder.glob("*.safetensors"))}


def assert_same(first, second, **tolerance):
    assert first.keys() == second.keys() != set()
    for name in first:
        assert first[name].keys() == second[name].keys()
        for part, value in first[name].items():
            torch.testing.assert_close(value, second[name][part], **tolerance)


def effective(networks):
    """Weights without the biases of attention's keys: softmax does not see them, so that training follows rounding."""
    for weights in networks.values():
        for name in weights:
            if name.endswith("attention_in.bias"):
                weights[name].view(3, -1)[1] = 0.0
    return networks


def without_clock(history):
    return [{name: record[name] for name in record if name not in ("seconds", "jets_per_second")} for record in history]


@pytest.mark.parametrize(
    ("kind", "epoch", "step"), [("representation", 2, 3), ("energy", 1, 2), ("energy", 3, 0), ("supervised", 2, 1)]
)
def test_killed_training_resumes_to_identical_weights(toy, start, tmp_path, kind, epoch, step):
    process = start(toy.__file__, tmp_path, "--kill", kind, epoch, step)
    assert process.wait(LIMIT) == -signal.SIGKILL
    assert len(read_history(tmp_path / kind)) == epoch
    # what a kill between the line and the checkpoint leaves, and a half-written checkpoint
    with open(tmp_path / kind / HISTORY, "a") as lines:
        lines.write(json.dumps({"epoch": epoch, "loss": 0.0}) + "\n")
    (tmp_path / kind / f".{CHECKPOINT}.partial").write_bytes(b"half")

    def make():
        training = toy.TRAININGS[kind]()
        training.to(toy.CPU, "float32")  # with kernels, as in the process
        return training

    seen = []
    resumed = run_training(make(), folder=tmp_path / kind, report=lambda p: seen.append(p.epoch))
    undisturbed = run_training(make(), folder=tmp_path / "undisturbed")

    assert seen == list(range(epoch, resumed.epochs))
    assert_same(artifacts(tmp_path / kind), artifacts(tmp_path / "undisturbed"), rtol=0, atol=0)
    history = without_clock(read_history(tmp_path / kind))
    assert history == without_clock(undisturbed.history) == without_clock(resumed.history)
    assert [record["epoch"] for record in history] == list(range(undisturbed.epochs))


def test_a_finished_training_is_not_repeated(toy, tmp_path):
    first = run_training(toy.energy_training(), folder=tmp_path)
    again = run_training(toy.energy_training(), folder=tmp_path, report=lambda p: pytest.fail("trained again"))
    loaded = toy.energy_training()
    loaded.load_artifacts(tmp_path)
    z = torch.from_numpy(first.z.copy())
    for other in (again, loaded):
        assert torch.equal(first.model(z), other.model(z))
        assert torch.equal(first.plain(z), other.plain(z))


def test_two_workers_give_the_weights_of_one(toy, start, tmp_path):
    workers = [start(toy.__file__, tmp_path, "--rank", rank, "--world", 2) for rank in range(2)]
    assert [worker.wait(LIMIT) for worker in workers] == [0, 0]
    for kind in KINDS:
        alone = run_training(toy.TRAININGS[kind](toy.WITHOUT_LOCAL_NOISE), folder=tmp_path / "alone" / kind)
        ours, theirs = (effective(artifacts(folder / kind)) for folder in (tmp_path, tmp_path / "alone"))
        assert_same(ours, theirs, rtol=1e-3, atol=1e-4)
        for ours, theirs in zip(read_history(tmp_path / kind), alone.history, strict=True):
            assert ours["loss"] == pytest.approx(theirs["loss"], rel=1e-4, abs=1e-6)


@pytest.mark.parametrize("kind", KINDS)
def test_the_best_epoch_is_kept(toy, kind):
    weights = []
    training = toy.TRAININGS[kind]()
    run_training(training, report=lambda p: p.finished and weights.append(copy.deepcopy(training.module_states())))
    values = [SELECTED[kind](record) for record in training.history]
    best = values.index(min(values))
    assert training.best["epoch"] == best
    assert_same(training.module_states(), weights[best], rtol=0, atol=0)


def test_a_report_can_stop_a_training_and_it_goes_on_later(toy, tmp_path):
    def prune(progress):
        if progress.finished and progress.epoch == 1:
            raise StopTraining("pruned")

    with pytest.raises(StopTraining, match="pruned"):
        run_training(toy.encoder_training(), folder=tmp_path / "a", report=prune)
    assert len(read_history(tmp_path / "a")) == 2
    run_training(toy.encoder_training(), folder=tmp_path / "a")
    run_training(toy.encoder_training(), folder=tmp_path / "b")
    assert_same(artifacts(tmp_path / "a"), artifacts(tmp_path / "b"), rtol=0, atol=0)


def test_heartbeats_within_an_epoch(toy, monkeypatch):
    monkeypatch.setattr("darkclr_ray.training.loop.HEARTBEAT", 0.0)
    seen = []
    run_training(toy.encoder_training(), report=seen.append)
    assert [p.step for p in seen if p.epoch == 0] == [1, 2, 3, 4, 5]
    assert [p.finished for p in seen if p.epoch == 0] == [False] * 4 + [True]
    assert all(p.record["jets_per_second"] > 0 and "loss" in p.record for p in seen)


def test_another_trainings_folder_is_refused(toy, tmp_path):
    run_training(toy.energy_training(), folder=tmp_path)
    other = toy.energy_training(toy.SETTINGS.updated({"nae": {"step_size": 0.01}}))
    with pytest.raises(ValueError, match="other settings or input"):
        run_training(other, folder=tmp_path)


def test_a_disk_that_fails_is_not_blamed_on_the_checkpoint(toy, tmp_path):
    (tmp_path / CHECKPOINT).symlink_to("/proc/self/mem")  # reading it at its beginning is an input/output error
    with pytest.raises(OSError, match="Input/output error"):
        run_training(toy.energy_training(), folder=tmp_path)


def halve(content):
    return content[: len(content) // 2]


def flip(content):
    """One bit of a tensor: torch reads such a file without a word."""
    place = len(content) // 2
    return content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :]


@pytest.mark.parametrize("damage", [halve, flip, lambda content: b"", lambda content: b"not a checkpoint"])
def test_a_training_with_a_damaged_checkpoint_starts_again(toy, tmp_path, damage):
    """A checkpoint is a cache: without it the same weights come out, later."""

    def stop(progress):
        if progress.finished and progress.epoch == 1:
            raise StopTraining

    with pytest.raises(StopTraining):
        run_training(toy.energy_training(), folder=tmp_path / "a", report=stop)
    path = tmp_path / "a" / CHECKPOINT
    path.write_bytes(damage(path.read_bytes()))
    epochs = []
    with announcements() as lines:
        run_training(
            toy.energy_training(), folder=tmp_path / "a", report=lambda p: p.finished and epochs.append(p.epoch)
        )
    undisturbed = run_training(toy.energy_training(), folder=tmp_path / "b")
    assert epochs == list(range(undisturbed.epochs))
    assert len(read_history(tmp_path / "a")) == undisturbed.epochs
    assert_same(artifacts(tmp_path / "a"), artifacts(tmp_path / "b"), rtol=0, atol=0)
    assert [str(path) in message and "starts again" in message for message in lines] == [True]
