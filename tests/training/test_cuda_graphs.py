"""Steps whose scalars stay where they are computed, as on a GPU, against those that are looked at one by one."""

from __future__ import annotations

import pytest
import torch

from darkclr_ray.training.base import TrainingDiverged
from darkclr_ray.training.cuda_graphs import CudaGraphSteps, EagerSteps, steps_of


def started(training):
    """On the CPU, where nothing can be recorded: each step is asked for, but nothing waits for its scalars."""
    pytest.importorskip("triton", reason="no Triton, whose interpreter runs Adam")
    training.to(torch.device("cpu"), "float32")
    training.graph_capturable = lambda inputs: False
    return training


@pytest.mark.parametrize("kind", ["representation", "energy", "supervised"])
def test_both_take_the_same_steps(toy, kind):
    found = []
    for steps in (EagerSteps, CudaGraphSteps):
        training = started(toy.TRAININGS[kind]())
        found.append(toy.three_epochs(training, steps(training)))
    (plain, plain_means), (recorded, recorded_means) = found
    toy.assert_close(recorded, plain, rtol=1e-4, atol=1e-6)
    assert [list(one) for one in plain_means] == [list(one) for one in recorded_means]
    for one, other in zip(plain_means, recorded_means, strict=True):
        assert one == pytest.approx(other, rel=1e-4, abs=1e-6, nan_ok=True)


@pytest.mark.parametrize("phase", ["reconstruction", "divergence"])
def test_what_cannot_go_on_leaves_the_weights_alone(toy, phase):
    """Also where the steps after it, which are asked for before anybody looks, could go on."""
    training = started(toy.energy_training())
    steps = CudaGraphSteps(training)
    batches = list(training.stream(0, 0, 1))[: training.steps_per_epoch]
    epoch = 0 if phase == "reconstruction" else training.settings.reconstruction_epochs
    training.begin_epoch(epoch)
    steps.begin()
    steps.take(batches[0])
    steps.take(batches[1])
    assert steps.means()["loss"] != 0.0
    before, momenta = toy.weights(training), training.optimizer.state_dict()["state"][0]["exp_avg"].clone()
    steps.take(torch.full_like(batches[2], torch.nan))
    steps.take(batches[3])
    steps.take(batches[4])
    with pytest.raises(TrainingDiverged, match=f"energy: .* in epoch {epoch}, step 2"):
        steps.means()
    for name, value in toy.weights(training).items():
        assert torch.equal(value, before[name]), name
    assert torch.equal(training.optimizer.state_dict()["state"][0]["exp_avg"], momenta)


def test_one_by_one_without_a_gpu(toy):
    training = toy.energy_training()
    training.to(torch.device("cpu"), "float32")
    assert isinstance(steps_of(training), EagerSteps)
