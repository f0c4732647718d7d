"""Benchmark of batches from Ray Data: a training that reads them, against one that reads memory, and batches alone."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import torch

from darkclr_ray.augmentations.views import ViewBatch
from darkclr_ray.benchmarks.hardware import automatic
from darkclr_ray.benchmarks.inputs import repeated, settings_of, starter_background, training_on
from darkclr_ray.benchmarks.result import OURS, PLAIN, Result
from darkclr_ray.benchmarks.timing import Rates
from darkclr_ray.jets.folder import open_jets, starter_jets
from darkclr_ray.runtime.cluster import running_ray
from darkclr_ray.settings import ComputeSettings, StudySettings
from darkclr_ray.streams import JetSource, RayViews, ShardJets, store
from darkclr_ray.training.contrastive import ContrastiveTraining

STEPS = {"Table 1": 24, "small": 240}
"""Number of training steps of one measurement."""

ALONE = 500_000
"""Number of jets that are streamed without a training."""


def rows(repetitions: int) -> Iterator[Result]:
    """Yield results for both encoders, then for batches without a training, from the object store and from shards."""
    with tempfile.TemporaryDirectory() as temporary:
        logs = Path(temporary) / "logs" / "ray"
        logs.parent.mkdir()
        with running_ray(ComputeSettings(), logs, 1_500_000_000):  # redirects all output to its log
            measured = [fed(size, steps, repetitions) for size, steps in STEPS.items()] + list(alone(repetitions))
    yield from measured


def fed(size: str, steps: int, repetitions: int) -> Result:
    """Return the rates of a training from the second batch on; the first batch waits for the start of data workers."""
    settings = settings_of(size)
    batch_size = settings.contrastive.batch_size
    jets = repeated(starter_background(), steps * batch_size)
    training = training_on(jets, settings)
    precision = settings.compute.precision
    training.to(torch.device("cpu"), str(automatic()).removeprefix("torch.") if precision == "auto" else precision)
    training.begin_epoch(0)
    batches = list(training.stream(0, 0, 1))
    source = views_of(settings, store(jets), batch_size)
    rates: dict[str, list[float]] = {OURS: [], PLAIN: []}
    started = time.perf_counter()
    trained(training, source.stream(0, 1))
    first = time.perf_counter() - started
    for _ in range(repetitions):
        rates[OURS].append(trained(training, source.stream(0, 1)))
        rates[PLAIN].append(trained(training, iter(batches)))
    return Result.of_rates(
        "stream",
        f"{size} encoder fed by Ray Data",
        Rates({way: tuple(measured) for way, measured in rates.items()}),
        aim="0.95 of the loop fed from memory",
        note=f"plain: batches that lie ready in memory; the very first stream took {first:.1f} s in all",
    )


def trained(training: ContrastiveTraining, batches: Iterator[ViewBatch]) -> float:
    """Return the jets per second of a training from the second batch on."""
    training.step(next(batches))
    started, jets = time.perf_counter(), 0
    for batch in batches:
        training.step(batch)
        jets += len(batch)
    return jets / (time.perf_counter() - started)


def alone(repetitions: int) -> Iterator[Result]:
    """Yield the rates from shards or object store to augmented batches, with one CPU for data workers."""
    settings = settings_of("Table 1")
    epochs = ALONE // len(starter_background())
    chunks = tuple(open_jets(starter_jets()).chunks("train", "qcd"))
    sources: dict[str, JetSource] = {
        "from the object store": store(repeated(starter_background(), ALONE)),
        "from shards": ShardJets(chunks * epochs),
    }
    for name, source in sources.items():
        views = views_of(settings, source, settings.contrastive.batch_size)
        measured = sorted(drained(views.stream(0, 1)) for _ in range(repetitions))
        rate = measured[len(measured) // 2]
        yield Result(
            "stream",
            f"batches alone, {name}",
            "jets/s",
            rate,
            ratio=rate / 50_000,
            aim="50k jets/s a core",
            note="ratio: to the aim; one data worker, three views a jet, its start not counted",
        )


def views_of(settings: StudySettings, source: JetSource, batch_size: int) -> RayViews:
    """Return the stream of views that a training worker of a study reads."""
    return RayViews(source, settings.views, settings.inputs, batch_size, settings.seed)


def drained(batches: Iterator[ViewBatch]) -> float:
    """Return the jets per second after the first batch."""
    next(batches)
    started = time.perf_counter()
    jets = sum(len(batch) for batch in batches)
    return jets / (time.perf_counter() - started)
