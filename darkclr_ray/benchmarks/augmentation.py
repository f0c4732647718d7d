"""Three views a jet, on one core: from raw jets in memory to what the network takes."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch

from darkclr_ray.augmentations.views import views_of_batches
from darkclr_ray.benchmarks.hardware import copy_rate
from darkclr_ray.benchmarks.inputs import starter_background
from darkclr_ray.benchmarks.reference import three_views
from darkclr_ray.benchmarks.result import OURS, PLAIN, Result
from darkclr_ray.benchmarks.timing import alternate
from darkclr_ray.networks.padded import pad
from darkclr_ray.settings import preset

BATCHES = 16
"""Batches that are made at a time."""


def rows(repetitions: int) -> Iterator[Result]:
    """Batches of two sizes, taken at random from a set in memory."""
    settings = preset("paper")
    jets = starter_background()
    hardest = jets.hardest(settings.inputs.constituents)
    padded, _ = pad(
        torch.from_numpy(hardest.constituents), torch.from_numpy(hardest.offsets), settings.inputs.constituents
    )
    random = np.random.default_rng(1)
    threads = torch.get_num_threads()
    for batch_size in (256, 2048):

        def ours(size: int = batch_size) -> float:
            batches = random.integers(0, len(jets), (BATCHES, size))
            made = views_of_batches(jets, batches, settings.views, settings.inputs, seed=1, epoch=0, first_step=0)
            return sum(len(batch) for batch in made)

        def plain(size: int = batch_size) -> float:
            three_views(padded[torch.from_numpy(random.integers(0, len(jets), size))], 0.5)
            return size

        torch.set_num_threads(1)
        try:
            rates = alternate({OURS: ours, PLAIN: plain}, repetitions)
        finally:
            torch.set_num_threads(threads)
        # read once, written once: the constituents of a jet, and of its three views, of which one loses half
        constituents = float(hardest.multiplicity.mean())
        traffic = 12 * constituents * (1 + 2.5)
        yield Result.of_rates(
            "augmentation",
            f"batch {batch_size}, one core",
            rates,
            limit=rates[OURS] * traffic / copy_rate(),
            aim="5x plain",
            note=f"limit: a copy's {copy_rate() / 1e9:.1f} GB/s; {traffic:.0f} bytes a jet read and written at least",
        )
