"""Trainings on a GPU: recorded steps are the plain ones, and what cannot go on leaves the weights alone."""

from __future__ import annotations

import math

import pytest
import torch

from darkclr_ray.training.base import TrainingDiverged
from darkclr_ray.training.cuda_graphs import CudaGraphSteps, EagerSteps, steps_of
from darkclr_ray.training.loop import run_training

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")

GPU = torch.device("cuda")


@pytest.mark.parametrize("kind", ["representation", "energy", "supervised"])
@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_recorded_steps_are_the_plain_ones(toy, kind, precision):
    """Weights and means after two epochs, dropout and noise included; two phases of the autoencoder, several shapes."""
    found = []
    for steps in (EagerSteps, CudaGraphSteps):
        training = toy.TRAININGS[kind]()
        training.to(GPU, precision)
        found.append(toy.three_epochs(training, steps(training)))
    (plain, plain_means), (recorded, recorded_means) = found
    tolerance = 1e-4 if precision == "float32" else 3e-2
    toy.assert_close(recorded, plain, rtol=tolerance, atol=tolerance * 0.1)
    for one, other in zip(plain_means, recorded_means, strict=True):
        assert one.keys() == other.keys()
        for name, value in one.items():
            if math.isfinite(value):
                assert other[name] == pytest.approx(value, rel=5 * tolerance, abs=tolerance), name


def test_a_training_on_the_gpu_resumes(toy, tmp_path):
    whole = toy.energy_training()
    whole.to(GPU, "bfloat16")
    run_training(whole, folder=tmp_path / "whole")
    first = toy.energy_training()
    first.to(GPU, "bfloat16")

    class Stopped(Exception):
        pass

    def stop(progress):
        if progress.finished and progress.epoch == 3:
            raise Stopped

    with pytest.raises(Stopped):
        run_training(first, folder=tmp_path / "parts", report=stop)
    second = toy.energy_training()
    second.to(GPU, "bfloat16")
    run_training(second, folder=tmp_path / "parts")
    for name, value in toy.weights(whole).items():
        assert torch.equal(toy.weights(second)[name], value), name


def test_non_finite_loss_leaves_weights_alone(toy):
    training = toy.energy_training()
    training.to(GPU, "float32")
    steps = steps_of(training)
    assert isinstance(steps, CudaGraphSteps)
    batches = list(training.stream(0, 0, 1))[: training.steps_per_epoch]
    training.begin_epoch(0)
    steps.begin()
    steps.take(batches[0])
    steps.take(batches[1])
    before = toy.weights(training)
    mean = steps.means()["loss"]
    steps.take(torch.full_like(batches[2], torch.nan))
    steps.take(batches[3])
    steps.take(batches[4])
    with pytest.raises(TrainingDiverged, match="energy: the loss became nan in epoch 0, step 2 "):
        steps.means()
    assert mean > 0
    for name, value in toy.weights(training).items():
        assert torch.equal(value, before[name]), name


def test_nothing_waits_for_the_gpu(toy):
    training = toy.encoder_training()
    training.to(GPU, "bfloat16")
    steps = steps_of(training)
    batches = training.stream(0, 0, 1)
    training.begin_epoch(0)
    steps.begin()
    first = next(batches)
    steps.take(first)
    torch.cuda.set_sync_debug_mode("error")
    try:
        steps.take(first)
    finally:
        torch.cuda.set_sync_debug_mode("default")
    assert math.isfinite(steps.means()["loss"])
