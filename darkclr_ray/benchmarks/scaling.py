"""Benchmark of scaling: the cost per jet or per constituent for small and large inputs."""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from itertools import cycle
from pathlib import Path

import numpy as np
import torch

from darkclr_ray.augmentations.views import MemoryViews
from darkclr_ray.benchmarks.hardware import automatic
from darkclr_ray.benchmarks.inputs import repeated, settings_of, starter_background, synthetic, training_on
from darkclr_ray.benchmarks.result import Result
from darkclr_ray.benchmarks.timing import Action, alternate
from darkclr_ray.jets.packed import Jets, TrainingSample
from darkclr_ray.settings import StudySettings

JETS = (1_000, 10_000, 100_000, 1_000_000)
CONSTITUENTS = (25, 50, 100, 200)
D_Z = (16, 128, 512, 1024)
BATCH_SIZES = (64, 256, 1024)
TRIALS = (1, 2)
LINEAR = "ratio: cost of one {unit} to that in the smallest work; 1 is linear"


Making = Callable[[], Action]


def rows(repetitions: int) -> Iterator[Result]:
    """Yield results against the numbers of jets, constituents, dimensions, jets per batch and parallel trainings."""
    yield from growth("jets of the set", {n: partial(epoch, n) for n in JETS}, repetitions)
    table1 = settings_of("Table 1").updated({"contrastive": {"batch_size": 64}})
    wide = {n: table1.updated({"inputs": {"constituents": n}}) for n in CONSTITUENTS}
    steps = {n: partial(step, settings, synthetic(128, n), n) for n, settings in wide.items()}
    why = "attention is between all constituents of a jet"
    yield from growth("constituents a jet", steps, repetitions, unit="constituents/s", why=why)
    jets = starter_background()
    few = jets.take(np.arange(128))
    widths = {n: partial(step, table1.updated({"encoder": {"d_z": n}}), few) for n in D_Z}
    yield from growth("d_z", widths, repetitions)
    sizes = {n: table1.updated({"contrastive": {"batch_size": n}}) for n in BATCH_SIZES}
    batches = {n: partial(step, settings, jets.take(np.arange(2 * n))) for n, settings in sizes.items()}
    yield from growth("batch size", batches, repetitions)
    yield from at_once()


def growth(
    name: str, ways: Mapping[int, Making], repetitions: int, unit: str = "jets/s", why: str = ""
) -> Iterator[Result]:
    """Yield a result for each size: its cost relative to the smallest size, and the peak memory of a new process.

    ``why`` is the reason, if any, why the cost grows faster than linearly.
    """
    rates = alternate({str(size): make() for size, make in ways.items()}, repetitions)
    smallest = str(next(iter(ways)))
    for size, make in ways.items():
        with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
            memory = pool.submit(peak_memory, make).result()
        yield Result(
            "scaling",
            f"{name}: {size:,}",
            unit,
            rates[str(size)],
            ratio=rates.ratio(smallest, str(size)),
            aim="linear or better",
            note="; ".join(filter(None, [LINEAR.format(unit=unit.removesuffix("s/s")), why, f"peak memory {memory}"])),
        )


def epoch(count: int) -> Action:
    """Return a function that makes the views of one epoch from ``count`` jets in memory."""
    settings = settings_of("Table 1")
    sample = TrainingSample(repeated(starter_background(), count))
    source = MemoryViews(sample, settings.views, settings.inputs, settings.contrastive.batch_size, settings.seed)
    return lambda: sum(len(batch) for batch in source.stream(0, 1))


def step(settings: StudySettings, jets: Jets, work: int = 1) -> Action:
    """Return a function that performs a step of the encoder's training, which counts as ``work`` per jet."""
    training = training_on(jets, settings)
    precision = settings.compute.precision
    training.to(torch.device("cpu"), str(automatic()).removeprefix("torch.") if precision == "auto" else precision)
    training.begin_epoch(0)
    turn = cycle(list(training.stream(0, 0, 1)))

    def done() -> float:
        batch = next(turn)
        training.step(batch)
        return len(batch) * work

    return done


def at_once() -> Iterator[Result]:
    """Yield results of the same training in several parallel processes with one thread each, as in parallel trials."""
    first = None
    for count in TRIALS:
        with ProcessPoolExecutor(count, multiprocessing.get_context("spawn")) as pool:
            list(pool.map(one_training, [0.1] * count))
            rates = list(pool.map(one_training, [5.0] * count))
        rate = sum(rates) / count
        first = first or rate
        yield Result(
            "scaling",
            f"trainings at a time: {count}",
            "jets/s each",
            rate,
            ratio=first / rate,
            aim="linear or better",
            note="ratio: cost of a jet to that of one training alone; small encoder, one thread each",
        )


def one_training(seconds: float) -> float:
    """Return the rate of a training of the small encoder in jets per second, measured for ``seconds``."""
    torch.set_num_threads(1)
    settings = settings_of("small")
    action = step(settings, starter_background().take(np.arange(8 * settings.contrastive.batch_size)))
    action()
    started, jets = time.perf_counter(), 0.0
    while time.perf_counter() - started < seconds:
        jets += action()
    return jets / (time.perf_counter() - started)


def peak_memory(make: Making) -> str:
    """Return the peak memory of this process after an action as text in MB."""
    make()()
    status = Path("/proc/self/status")
    if not status.exists():
        return "not told by this system"
    # ru_maxrss is not used, since it starts from the memory of the parent process
    (peak,) = (line for line in status.read_text(encoding="ascii").splitlines() if line.startswith("VmHWM:"))
    return f"{int(peak.split()[1]) / 1e3:,.0f} MB"
