"""Benchmark on a GPU: the paper's training, extrapolated from its first epochs, and fifteen autoencoders."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from statistics import median

import torch

from darkclr_ray.benchmarks import autoencoder, contrastive
from darkclr_ray.benchmarks.hardware import automatic
from darkclr_ray.benchmarks.inputs import repeated, settings_of, starter_background
from darkclr_ray.benchmarks.result import Result
from darkclr_ray.detectors.darkclr import contrastive_training
from darkclr_ray.jets.packed import TrainingSample
from darkclr_ray.training.loop import run_training
from darkclr_ray.training.trainer import Trainer

JETS, AUTOENCODERS = 100_000, 15
EPOCHS = 4
"""Number of epochs from which the time of all epochs is extrapolated."""


def rows(repetitions: int) -> Iterator[Result]:
    """Yield results of steps on the GPU and of whole trainings at the paper's sizes; a note if there is no GPU."""
    if not torch.cuda.is_available():
        yield Result("gpu", "not run", "", None, note="no GPU here: paper-size training and 15 NAEs were not measured")
        return
    epochs = settings_of("Table 1").contrastive.epochs
    for row in contrastive.rows(repetitions, "cuda"):
        yield replace(row, stage=f"gpu: {row.stage}")
        if row.case.startswith("Table 1") and row.case.endswith("(auto)"):
            yield whole(row, epochs, "cuda", JETS)
    for row in autoencoder.rows(repetitions, "cuda"):
        yield replace(row, stage=f"gpu: {row.stage}")
        if row.case == "whole training, batch 2048":
            total = replace(row, stage="gpu", case=f"{AUTOENCODERS} NAEs, batch 2048", aim="5 min")
            yield replace(
                total, **{name: AUTOENCODERS * getattr(row, name) for name in ("ours", "plain", "autocast", "torch")}
            )


def whole(step: Result, epochs: int, device: str, jets: int) -> Result:
    """Return the time of a training of ``epochs`` epochs, extrapolated from its first ones, including its views.

    The time of the reference implementation is computed from the rate of its ``step``.
    """
    settings = settings_of("Table 1").updated({"contrastive": {"epochs": EPOCHS}})
    sample = TrainingSample(repeated(starter_background(), jets))
    training = contrastive_training(settings, sample, Trainer(device=device))
    training.to(torch.device(device), str(automatic(device)).removeprefix("torch."))
    run_training(training)
    first, *others = [record["seconds"] for record in training.history]
    seconds = first + (epochs - 1) * median(others)

    def minutes(rate: float | None) -> float | None:
        return None if rate is None else jets * epochs / rate / 60

    # three views, one of which has half of the constituents
    tokens = 2.5 * float(sample.jets.hardest(settings.inputs.constituents).multiplicity.mean())
    note = f"{jets / median(others) * tokens / 1e6:.2f}M tokens/s; from {EPOCHS} epochs, the first {first:.1f} s"
    rates = {"plain": minutes(step.plain), "autocast": minutes(step.autocast)}
    ratio = None if rates["plain"] is None else rates["plain"] * 60 / seconds
    case = f"paper-size training: {jets} jets x {epochs} epochs"
    return Result("gpu", case, "min", seconds / 60, **rates, ratio=ratio, aim="2 min", note=note)
