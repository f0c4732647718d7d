"""Benchmark of the peak memory of a process that streams jets from shards, and of its data workers."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import tempfile
import threading
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from darkclr_ray.benchmarks.inputs import settings_of
from darkclr_ray.benchmarks.result import Result
from darkclr_ray.benchmarks.stream import drained, views_of
from darkclr_ray.jets.folder import open_jets, starter_jets
from darkclr_ray.runtime.cluster import running_ray
from darkclr_ray.settings import ComputeSettings
from darkclr_ray.streams import ShardJets

SIZES = (100_000, 1_000_000, 2_000_000)
LOOK = 0.2
"""Interval in seconds between two measurements of the processes' memory."""


def rows(repetitions: int) -> Iterator[Result]:
    """Yield results for several numbers of jets, each in a new process that repeats the starter set's shards."""
    first: tuple[float, float] | None = None
    for jets in SIZES:
        with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
            peaks = pool.submit(peak, jets).result()
        first = first or peaks
        for name, found, before in zip(("driver", "data workers"), peaks, first, strict=True):
            yield Result(
                "memory",
                f"{name}, {jets:,} jets streamed",
                "MB",
                found / 1e6,
                ratio=found / before,
                aim="constant",
                note="private memory at its peak, with 256 MB of freed memory at most, kept and full within 400,000 "
                "jets; ratio: to the smallest set",
            )


def peak(jets: int) -> tuple[float, float]:
    """Return the peak bytes of this process and of Ray's largest worker during an epoch of ``jets`` jets."""
    chunks = tuple(open_jets(starter_jets()).chunks("train", "qcd"))
    source = ShardJets(chunks * (jets // sum(chunk.rows for chunk in chunks)))
    settings = settings_of("Table 1")
    with tempfile.TemporaryDirectory() as temporary:
        logs = Path(temporary) / "logs" / "ray"
        logs.parent.mkdir()
        with running_ray(ComputeSettings(), logs, 1_000_000_000), Watch() as watch:
            drained(views_of(settings, source, settings.contrastive.batch_size).stream(0, 1))
    return watch.own, watch.workers


class Watch:
    """Context manager that records the largest private memory of this process and of Ray's workers, in bytes."""

    def __init__(self) -> None:
        self.own = self.workers = 0.0
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)

    def __enter__(self) -> Watch:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join()

    def _look(self) -> None:
        while not self._done.wait(LOOK):
            self.own = max(self.own, private_memory(os.getpid()))
            self.workers = max([self.workers, *map(private_memory, workers_of_ray())])


def workers_of_ray() -> list[int]:
    """Return the process ids of Ray's workers on this machine, whose command lines begin with "ray::"."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if (folder / "cmdline").read_bytes().startswith(b"ray::"):
                found.append(int(folder.name))
    return found


def private_memory(process: int) -> float:
    """Return the bytes that a process shares with no other; 0 for a process that has ended."""
    try:
        lines = Path(f"/proc/{process}/smaps_rollup").read_text(encoding="ascii").splitlines()
    except OSError:
        return 0.0
    return 1024.0 * sum(int(line.split()[1]) for line in lines if line.startswith("Private_"))
