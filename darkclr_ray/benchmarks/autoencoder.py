"""Benchmark of the normalised autoencoder at the paper's sizes: 100,000 representations of dimension 512, 200 + 100
epochs, Langevin chains of 40 steps."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import cycle, pairwise

import numpy as np
import torch

from darkclr_ray.benchmarks.hardware import automatic, product_rate
from darkclr_ray.benchmarks.reference import divergence_step, plain_autoencoder, reconstruction_step
from darkclr_ray.benchmarks.result import AUTOCAST, OURS, PLAIN, Result
from darkclr_ray.benchmarks.timing import Action, Rates, alternate
from darkclr_ray.settings import NAESettings
from darkclr_ray.training.cuda_graphs import steps_of
from darkclr_ray.training.nae import NAETraining

JETS, WIDTH = 100_000, 512
BATCH_SIZES = {128: "5x plain", 2048: "2x plain"}
AHEAD = 8
"""Number of batches in memory, which are used in turn."""


def rows(repetitions: int, device: str = "cpu") -> Iterator[Result]:
    """Yield results of both phases and of the whole training at both batch sizes."""
    peak = product_rate(automatic(device), device)
    for batch_size, aim in BATCH_SIZES.items():
        settings = NAESettings(batch_size=batch_size)
        phases = []
        for phase, epoch in (("pre-training", 0), ("divergence", settings.reconstruction_epochs)):
            work = operations(settings, divergence=epoch > 0)
            rates = alternate(steps(settings, epoch, device), repetitions)
            phases.append(rates)
            yield Result.of_rates(
                "NAE",
                f"{phase}, batch {batch_size}",
                rates,
                limit=rates[OURS] * work / peak,
                note=f"limit: {peak / 1e12:.2f} TFLOP/s in products, {work / 1e6:.1f} MFLOP a jet",
            )
        yield whole(settings, phases, aim)


def whole(settings: NAESettings, phases: list[Rates], aim: str) -> Result:
    """Return the time of the whole training in minutes, from the rates of its two phases."""
    epochs = (settings.reconstruction_epochs, settings.divergence_epochs)

    def minutes(way: str) -> float:
        return sum(count * JETS / rates[way] for count, rates in zip(epochs, phases, strict=True)) / 60

    # mean of the phases' ratios, each measured in the same rounds, weighted with the package's time in the phase
    ours = [count * JETS / rates[OURS] for count, rates in zip(epochs, phases, strict=True)]
    slower = [rates.ratio(OURS, PLAIN) for rates in phases]
    return Result(
        "NAE",
        f"whole training, batch {settings.batch_size}",
        "min",
        minutes(OURS),
        minutes(PLAIN),
        minutes(AUTOCAST),
        sum(a * b for a, b in zip(ours, slower, strict=True)) / sum(ours),
        aim=aim,
        note=f"{JETS} x {WIDTH}, {epochs[0]} + {epochs[1]} epochs: from the rates above",
    )


def steps(settings: NAESettings, epoch: int, device: str) -> dict[str, Action]:
    """Return steps of the package and of the reference (without and with autocast) in the phase of an epoch."""
    training = started(settings, epoch, device)
    batches = cycle([batch for batch, _ in zip(training.stream(0, 0, 1), range(AHEAD), strict=False)])
    autoencoder = plain_autoencoder(WIDTH, settings).to(device)
    rate = settings.divergence_learning_rate if epoch else settings.reconstruction_learning_rate
    optimiser = torch.optim.Adam(autoencoder.parameters(), rate)

    recorded = steps_of(training)

    def ours() -> float:
        recorded.take(next(batches))
        return settings.batch_size

    def plain() -> float:
        z = next(batches)
        if epoch:
            divergence_step(autoencoder, optimiser, z, settings)
        else:
            reconstruction_step(autoencoder, optimiser, z)
        return settings.batch_size

    def autocast() -> float:
        with torch.autocast(device, torch.bfloat16):
            return plain()

    return {OURS: ours, PLAIN: plain, AUTOCAST: autocast}


def started(settings: NAESettings, epoch: int, device: str) -> NAETraining:
    """Return a training at the start of an epoch, on random correlated representations like those of an encoder."""
    random = np.random.default_rng(1)
    factors = random.normal(size=(AHEAD * settings.batch_size, 8))
    z = factors @ random.normal(size=(8, WIDTH)) + 0.3 * random.normal(size=(len(factors), WIDTH))
    training = NAETraining(z.astype(np.float32), settings, seed=1, source={})
    training.to(torch.device(device), str(automatic(device)).removeprefix("torch."))
    training.begin_epoch(epoch)
    return training


def operations(settings: NAESettings, *, divergence: bool) -> float:
    """Return the floating-point operations per jet in the matrix products of one step."""
    widths = [WIDTH, *settings.hidden, settings.bottleneck]
    network = 2 * 2 * sum(before * after for before, after in pairwise(widths))
    # forward product and both backward products; chains need no gradient of the weights
    return network * (6 + 2 * (settings.steps + 1) if divergence else 3)
