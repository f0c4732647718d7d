"""Toy jets and trainings, and a process that trains on them: killed at a given step, or one of several workers.

python toy.py FOLDER [--kill KIND EPOCH STEP] [--rank R --world W]
"""

from __future__ import annotations

import argparse
import os
import signal
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from darkclr_ray import testing
from darkclr_ray.augmentations.views import MemoryViews
from darkclr_ray.jets.labelled import LabelledSample
from darkclr_ray.jets.packed import Jets, TrainingSample
from darkclr_ray.settings import StudySettings
from darkclr_ray.training.base import Training
from darkclr_ray.training.contrastive import ContrastiveTraining
from darkclr_ray.training.cuda_graphs import Steps
from darkclr_ray.training.loop import run_training
from darkclr_ray.training.nae import NAETraining
from darkclr_ray.training.supervised import SupervisedTraining

CPU = torch.device("cpu")

SETTINGS = StudySettings.model_validate(
    {
        "encoder": {"d_r": 8, "d_h": 16, "d_z": 6, "heads": 2, "layers": 1},
        "contrastive": {"batch_size": 16, "epochs": 4, "learning_rate": 1e-3},
        "nae": {
            "hidden": (8, 4),
            "bottleneck": 2,
            "batch_size": 16,
            "reconstruction_epochs": 2,
            "divergence_epochs": 4,
            "steps": 5,
        },
        "supervised": {"batch_size": 16, "epochs": 4, "learning_rate": 1e-3, "validation": 0.2, "match_pt": True},
    }
)
"""Networks so small that a training takes a fraction of a second."""

WITHOUT_LOCAL_NOISE = SETTINGS.updated({"encoder": {"dropout": 0.0}, "nae": {"noise": 0.0}})
"""Settings under which nothing random depends on how a batch is shared among workers."""


def toy_jets(count: int, seed: int = 1) -> Jets:
    """With 2 to 12 constituents."""
    return testing.toy_jets(count, seed, most=12)


def encoder_training(settings: StudySettings = SETTINGS, jets: int = 80) -> ContrastiveTraining:
    sample = TrainingSample(toy_jets(jets))
    source = MemoryViews(sample, settings.views, settings.inputs, settings.contrastive.batch_size, settings.seed)
    return ContrastiveTraining(
        sample,
        source,
        TrainingSample(toy_jets(50, seed=5)),
        encoder=settings.encoder,
        contrastive=settings.contrastive,
        views=settings.views,
        inputs=settings.inputs,
        seed=settings.seed,
    )


def energy_training(settings: StudySettings = SETTINGS, count: int = 80) -> NAETraining:
    z = np.random.default_rng(3).normal(1.0, [1.0, 2.0, 0.5, 3.0, 1.0, 1.0], (count, 6)).astype(np.float32)
    z[:, 1] = z[:, 0] ** 2
    return NAETraining(z, settings.nae, seed=settings.seed)


def supervised_training(settings: StudySettings = SETTINGS) -> SupervisedTraining:
    """The signal has two constituents less."""
    signal = toy_jets(60, seed=2)
    signal = signal.take(np.flatnonzero(signal.multiplicity > 3))
    keep = np.delete(
        np.arange(len(signal.constituents)), np.concatenate([signal.offsets[1:] - 1, signal.offsets[1:] - 2])
    )
    offsets = signal.offsets - 2 * np.arange(len(signal) + 1)
    signal = replace(signal, constituents=signal.constituents[keep], offsets=offsets)
    return SupervisedTraining(
        LabelledSample(toy_jets(80), signal),
        encoder=settings.encoder,
        inputs=settings.inputs,
        supervised=settings.supervised,
        seed=settings.seed,
    )


TRAININGS = {"representation": encoder_training, "energy": energy_training, "supervised": supervised_training}


def weights(training: Training) -> dict[str, torch.Tensor]:
    """A copy of all weights by name."""
    states = training.module_states().items()
    return {f"{module}.{name}": value.clone() for module, state in states for name, value in state.items()}


def three_epochs(training: Training, steps: Steps) -> tuple[dict[str, torch.Tensor], list[dict[str, float]]]:
    """Weights after three epochs, and the means of each."""
    batches, means = training.stream(0, 0, 1), []
    for epoch in range(3):
        training.begin_epoch(epoch)
        steps.begin()
        for _ in range(training.steps_per_epoch):
            steps.take(next(batches))
        means.append(steps.means())
    return weights(training), means


def assert_close(
    found: dict[str, torch.Tensor], expected: dict[str, torch.Tensor], *, rtol: float, atol: float
) -> None:
    """Weights of two trainings. The keys' bias has no effect: its gradient is rounding, which Adam makes a step of."""
    for name, value in expected.items():
        parts = [0, 2] if name.endswith("attention_in.bias") else [0]
        for part in parts:
            own, other = (whole.chunk(1 + max(parts))[part] for whole in (found[name], value))
            torch.testing.assert_close(own, other, rtol=rtol, atol=atol)


def kill_at(training: Training, epoch: int, step: int) -> None:
    """Let this process kill itself in the middle of an epoch, before the weights of that step change."""
    loss = training.loss

    def fatal(*inputs):
        if (training.epoch, training.step_number) == (epoch, step):
            os.kill(os.getpid(), signal.SIGKILL)
        return loss(*inputs)

    training.loss = fatal


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--kill", nargs=3)
    parser.add_argument("--rank", type=int, default=0)
    parser.add_argument("--world", type=int, default=1)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    settings = SETTINGS
    if arguments.world > 1:
        settings = WITHOUT_LOCAL_NOISE
        rendezvous = f"file://{arguments.folder}/rendezvous"
        torch.distributed.init_process_group(
            "gloo", init_method=rendezvous, rank=arguments.rank, world_size=arguments.world
        )
    for kind, make in TRAININGS.items():
        training = make(settings)
        training.to(CPU, "float32", arguments.rank, arguments.world)
        if arguments.kill and arguments.kill[0] == kind:
            kill_at(training, int(arguments.kill[1]), int(arguments.kill[2]))
        run_training(training, folder=arguments.folder / kind, rank=arguments.rank, world_size=arguments.world)
    if arguments.world > 1:
        torch.distributed.barrier()  # who leaves first would cut the other off in its last exchange
        torch.distributed.destroy_process_group()


if __name__ == "__main__":
    main()
