"""Benchmark of the normalised autoencoder at the paper's sizes: 100,000 representations of dimension 512, 200 + 100
epochs, Langevin chains of 40 steps."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from itertools import cycle, pairwise
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from darkclr_ray.benchmarks.hardware import automatic, product_rate
from darkclr_ray.benchmarks.inputs import settings_of, starter_background
from darkclr_ray.benchmarks.reference import divergence_step, plain_autoencoder, reconstruction_step
from darkclr_ray.benchmarks.result import AUTOCAST, OURS, PLAIN, Result
from darkclr_ray.benchmarks.timing import Action, alternate
from darkclr_ray.benchmarks.well_written import Phase, well_written, whole_training, with_fastest
from darkclr_ray.settings import NAESettings
from darkclr_ray.training.cuda_graphs import steps_of
from darkclr_ray.training.nae import NAETraining

JETS, WIDTH = 100_000, 512
"""Number and dimension of the representations."""
AIMS = {128: "5x plain", 2048: "2x plain"}
"""Aims of the whole training by batch size."""
AHEAD = 8
"""Number of batches in memory, which are used in turn."""


class Case(NamedTuple):
    """Training of an autoencoder: its name, settings, the number and the dimension of representations, and its aim."""

    name: str
    settings: NAESettings
    jets: int
    width: int
    aim: str


def cases() -> list[Case]:
    """Return the paper's training at two batch sizes, and that of the laptop preset on the starter set."""
    laptop = settings_of("small")
    paper = [Case(f"batch {size}", NAESettings(batch_size=size), JETS, WIDTH, aim) for size, aim in AIMS.items()]
    return [*paper, Case("laptop preset", laptop.nae, len(starter_background()), laptop.encoder.d_z, "")]


def rows(repetitions: int, device: str = "cpu") -> Iterator[Result]:
    """Yield results of both phases and of the whole training of each of the `cases`."""
    peak = product_rate(automatic(device), device)
    for case in cases():
        settings, phases = case.settings, []
        epochs = {"pre-training": settings.reconstruction_epochs, "divergence": settings.divergence_epochs}
        for phase, epoch in zip(epochs, (0, settings.reconstruction_epochs), strict=True):
            work = operations(settings, case.width, divergence=epoch > 0)
            start = partial(started, settings, case.width, epoch, device)
            by_torch = well_written(start, our_step)
            ways = {OURS: our_step(start()), **plain_steps(start(), epoch), **by_torch.ways}
            rates = with_fastest(alternate(ways, repetitions))
            phases.append(Phase(rates, epochs[phase] * case.jets, by_torch))
            yield Result.of_rates(
                "NAE",
                f"{phase}, {case.name}",
                rates,
                limit=rates[OURS] * work / peak,
                note=f"limit: {peak / 1e12:.2f} TFLOP/s in products, {work / 1e6:.1f} MFLOP a jet",
            )
        counts = " + ".join(map(str, epochs.values()))
        note = f"{case.jets} x {case.width}, {counts} epochs: from the rates above"
        yield whole_training("NAE", f"whole training, {case.name}", phases, aim=case.aim, note=note)


def our_step(training: NAETraining) -> Action:
    """Return a function that performs a training's step on the next batch."""
    turn, steps = cycle(batches(training)), steps_of(training)

    def step() -> float:
        steps.take(next(turn))
        return training.batch_size

    return step


def batches(training: NAETraining) -> list[Tensor]:
    """Return batches to be used in turn."""
    return [batch for batch, _ in zip(training.stream(0, 0, 1), range(AHEAD), strict=False)]


def plain_steps(training: NAETraining, epoch: int) -> dict[str, Action]:
    """Return steps of the reference without and with autocast, in the phase of an epoch, on a training's batches."""
    settings, turn = training.settings, cycle(batches(training))
    autoencoder = plain_autoencoder(training.z.shape[1], settings).to(training.device)
    rate = settings.divergence_learning_rate if epoch else settings.reconstruction_learning_rate
    optimiser = torch.optim.Adam(autoencoder.parameters(), rate)

    def plain() -> float:
        z = next(turn)
        if epoch:
            divergence_step(autoencoder, optimiser, z, settings)
        else:
            reconstruction_step(autoencoder, optimiser, z)
        return len(z)

    def autocast() -> float:
        with torch.autocast(training.device.type, torch.bfloat16):
            return plain()

    return {PLAIN: plain, AUTOCAST: autocast}


def started(settings: NAESettings, width: int, epoch: int, device: str) -> NAETraining:
    """Return a training at the start of an epoch, on random correlated representations like those of an encoder."""
    random = np.random.default_rng(1)
    factors = random.normal(size=(AHEAD * settings.batch_size, 8))
    z = factors @ random.normal(size=(8, width)) + 0.3 * random.normal(size=(len(factors), width))
    training = NAETraining(z.astype(np.float32), settings, seed=1, source={})
    training.to(torch.device(device), str(automatic(device)).removeprefix("torch."))
    training.begin_epoch(epoch)
    return training


def operations(settings: NAESettings, width: int, *, divergence: bool) -> float:
    """Return the floating-point operations per jet in the matrix products of one step."""
    widths = [width, *settings.hidden, settings.bottleneck]
    network = 2 * 2 * sum(before * after for before, after in pairwise(widths))
    # forward product and both backward products; chains need no gradient of the weights
    return network * (6 + 2 * (settings.steps + 1) if divergence else 3)
