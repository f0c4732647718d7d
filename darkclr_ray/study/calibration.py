"""Measure the training speed of a worker group with a few steps, to estimate the time of a study."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from darkclr_ray.augmentations.views import MemoryViews
from darkclr_ray.jets.packed import TrainingSample
from darkclr_ray.runtime.worker_loop import WorkerContext
from darkclr_ray.settings import StudySettings
from darkclr_ray.study.job_context import JobContext
from darkclr_ray.training.contrastive import ContrastiveTraining
from darkclr_ray.training.cuda_graphs import steps_of
from darkclr_ray.training.inference import represent
from darkclr_ray.training.nae import NAETraining
from darkclr_ray.training.trainer import Trainer

ENOUGH = 1.0
"""Approximate seconds of a measurement."""


def calibrate(settings: StudySettings, context: JobContext, worker: WorkerContext) -> dict[str, Any]:
    """Return the seconds of one epoch of each training and of scoring one jet, from a short training on this worker."""
    sample = context.jets.sample()
    few = TrainingSample(sample.jets.take(np.arange(min(len(sample), 20 * settings.contrastive.batch_size))))
    share = settings.contrastive.batch_size // worker.world_size or 1
    contrastive = settings.contrastive.model_copy(update={"epochs": 1, "batch_size": min(share, len(few))})
    source = MemoryViews(few, settings.views, settings.inputs, contrastive.batch_size, settings.seed)
    encoder = ContrastiveTraining(
        few,
        source,
        few,
        encoder=settings.encoder,
        contrastive=contrastive,
        views=settings.views,
        inputs=settings.inputs,
        seed=settings.seed,
    )
    compute = settings.compute
    runner = Trainer(device=worker.device, precision=compute.precision, kernels=compute.kernels)
    encoder.to(runner.device, runner.precision, kernels=runner.kernels)
    encoder.begin_epoch(0)
    batches = encoder.stream(0, 0, 1)
    first = next(batches)
    steps = steps_of(encoder)
    steps.take(first)
    step = seconds_of(lambda: steps.take(first))
    scored = few.jets.take(np.arange(min(len(few), 1000)))
    forward = seconds_of(lambda: represent(encoder.encoder, settings.inputs, scored)) / len(scored)
    jets, ranks = len(sample), worker.world_size
    return {
        "encoder_epoch": step * (jets // settings.contrastive.batch_size),
        "reconstruction_epoch": energy_epoch(settings, runner, jets, {"divergence_epochs": 0}) / ranks,
        "divergence_epoch": energy_epoch(settings, runner, jets, {"reconstruction_epochs": 0}) / ranks,
        "jet": forward,
    }


def energy_epoch(settings: StudySettings, runner: Trainer, jets: int, changes: dict[str, int]) -> float:
    """Return the seconds of an autoencoder's epoch in one of its phases, measured on noise."""
    nae = settings.nae.model_copy(update={"reconstruction_epochs": 1, "divergence_epochs": 1, **changes})
    z = np.random.default_rng(1).normal(size=(nae.batch_size, settings.encoder.d_z)).astype(np.float32)
    training = NAETraining(z, nae, seed=settings.seed, source={})
    training.to(runner.device, runner.precision, kernels=runner.kernels)
    training.begin_epoch(0)
    rows = next(training.stream(0, 0, 1))
    steps = steps_of(training)
    steps.take(rows)
    return seconds_of(lambda: steps.take(rows)) * max(1, jets // nae.batch_size)


def seconds_of(action: Callable[[], Any]) -> float:
    """Return the mean seconds of an action."""
    started = time.monotonic()
    times = 0
    while time.monotonic() - started < ENOUGH / 3 or times < 2:
        action()
        times += 1
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return (time.monotonic() - started) / times
