"""Benchmark of one step of the encoder's training: forward pass, loss, backward pass, optimiser."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from itertools import cycle

import numpy as np
import torch

from darkclr_ray.augmentations.views import ViewBatch
from darkclr_ray.benchmarks.hardware import automatic, product_rate
from darkclr_ray.benchmarks.inputs import (
    SIZES,
    encoder_operations,
    padded_views,
    settings_of,
    starter_background,
    training_on,
)
from darkclr_ray.benchmarks.reference import PlainEncoder, contrastive_step
from darkclr_ray.benchmarks.result import AUTOCAST, OURS, PLAIN, TORCH, Result
from darkclr_ray.benchmarks.timing import Action, alternate
from darkclr_ray.benchmarks.well_written import Phase, well_written, whole_training, with_fastest
from darkclr_ray.settings import StudySettings
from darkclr_ray.training.contrastive import ContrastiveTraining
from darkclr_ray.training.cuda_graphs import steps_of

BATCHES = 4
"""Number of batches, which are used in turn."""


def rows(repetitions: int, device: str = "cpu") -> Iterator[Result]:
    """Yield results for encoders of two sizes, each in the precision "auto" and in float32."""
    for size in SIZES:
        settings = settings_of(size)
        precisions = dict.fromkeys((str(automatic(device)).removeprefix("torch."), "float32"))
        trainings = {precision: training(settings, precision, device) for precision in precisions}
        batches = list(next(iter(trainings.values())).stream(0, 0, 1))
        ways = {precision: our_step(trained, batches) for precision, trained in trainings.items()}
        ways |= plain_steps(settings, batches, device)
        fastest = next(iter(precisions))
        by_torch = well_written(partial(training, settings, fastest, device), partial(our_step, batches=batches))
        rates = with_fastest(alternate(ways | by_torch.ways, repetitions))
        work = np.mean([3 * encoder_operations(settings.encoder, np.diff(b.offsets)) / len(b) for b in batches])
        for place, precision in enumerate(precisions):
            named = {OURS if way == precision else way: measured for way, measured in rates.measured.items()}
            if place:
                del named[TORCH]  # measured in the first precision
            peak = product_rate(getattr(torch, precision), device)
            yield Result.of_rates(
                "contrastive step",
                f"{size} encoder, batch {settings.contrastive.batch_size}, {precision}" + (" (auto)" * (not place)),
                type(rates)(named),
                limit=rates[precision] * work / peak,
                aim="12x plain" if size == "Table 1" and not place else "never slower than plain",
                note=f"limit: {peak / 1e12:.2f} TFLOP/s in products, {work / 1e6:.0f} MFLOP a jet, written plainly",
            )
            if not place:
                jets, epochs = len(starter_background()), settings.contrastive.epochs
                case = f"{size} encoder, whole training, {precision}"
                note = f"{jets} jets, {epochs} epochs: from the rates above"
                yield whole_training(
                    "contrastive", case, [Phase(type(rates)(named), jets * epochs, by_torch)], note=note
                )


def training(settings: StudySettings, precision: str, device: str) -> ContrastiveTraining:
    """Return a training before its first step."""
    jets = starter_background().take(np.arange(BATCHES * settings.contrastive.batch_size))
    result = training_on(jets, settings)
    result.to(torch.device(device), precision)
    result.begin_epoch(0)
    return result


def our_step(trained: ContrastiveTraining, batches: list[ViewBatch]) -> Action:
    """Return a function that performs a step of the package on the next batch."""
    turn, steps = cycle(batches), steps_of(trained)
    for batch in batches:
        steps.take(batch)  # on a GPU this records a CUDA graph for each shape

    def step() -> float:
        batch = next(turn)
        steps.take(batch)
        return len(batch)

    return step


def plain_steps(settings: StudySettings, batches: list[ViewBatch], device: str) -> dict[str, Action]:
    """Return functions for a step of the reference implementation on the next batch, without and with autocast."""
    contrastive = settings.contrastive
    encoder = PlainEncoder(settings.encoder).to(device)
    optimiser = torch.optim.Adam(encoder.parameters(), contrastive.learning_rate, eps=contrastive.adam_epsilon)
    padded = [tuple(v.to(device) for v in padded_views(b, settings.inputs.constituents)) for b in batches]
    turn = cycle(padded)

    def step() -> float:
        anchor, positive, anomalous = next(turn)
        contrastive_step(encoder, optimiser, (anchor, positive, anomalous))
        return len(anchor)

    def autocast() -> float:
        with torch.autocast(device, torch.bfloat16):
            return step()

    return {PLAIN: step, AUTOCAST: autocast}
