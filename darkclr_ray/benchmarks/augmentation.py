"""Benchmark of the augmentations on one core: from jets in memory to batches of three views per jet."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch

from darkclr_ray.augmentations.views import views_of_batches
from darkclr_ray.benchmarks.hardware import copy_rate
from darkclr_ray.benchmarks.inputs import starter_background
from darkclr_ray.benchmarks.reference import three_views
from darkclr_ray.benchmarks.result import OURS, PLAIN, Result
from darkclr_ray.benchmarks.timing import Action, alternate
from darkclr_ray.jets.cambridge_aachen import cluster_tree
from darkclr_ray.networks.padding import pad
from darkclr_ray.presets import preset
from darkclr_ray.settings import StudySettings

BATCHES = 16
"""Number of batches that one measurement makes."""

TREES = "trees"
"""Name of the measurement that builds the Cambridge/Aachen trees of jets."""

BRANCHES = {"anomalous": ("branch_dropping", "rotation", "translation"), "p_drop": (0.1, 0.7), "conserved_pt": "floor"}
"""Changes to the settings of the views: whole branches are dropped, and the detector's threshold is kept."""


def rows(repetitions: int) -> Iterator[Result]:
    """Yield a result for each of two batch sizes, with dropped constituents and with dropped branches."""
    settings = preset("paper")
    jets = starter_background()
    hardest = jets.hardest(settings.inputs.constituents)
    padded, _ = pad(
        torch.from_numpy(hardest.constituents), torch.from_numpy(hardest.offsets), settings.inputs.constituents
    )
    random = np.random.default_rng(1)
    threads = torch.get_num_threads()

    def views_with(settings: StudySettings, size: int) -> Action:
        def action() -> float:
            batches = random.integers(0, len(jets), (BATCHES, size))
            made = views_of_batches(jets, batches, settings.views, settings.inputs, seed=1, epoch=0, first_step=0)
            return sum(len(batch) for batch in made)

        return action

    def trees() -> float:
        cluster_tree(jets.constituents, jets.offsets)
        return len(jets)

    for batch_size in (256, 2048):

        def plain(size: int = batch_size) -> float:
            three_views(padded[torch.from_numpy(random.integers(0, len(jets), size))], 0.5)
            return size

        jets.tree  # noqa: B018  # builds the trees before the measurement
        branches = views_with(settings.updated({"views": BRANCHES}), batch_size)
        torch.set_num_threads(1)
        try:
            rates = alternate({OURS: views_with(settings, batch_size), PLAIN: plain}, repetitions)
            of_branches = alternate({OURS: branches, PLAIN: plain, TREES: trees}, repetitions)
        finally:
            torch.set_num_threads(threads)
        # least traffic: read the constituents of a jet and write those of its three views, one of which is halved
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

        epochs = settings.contrastive.epochs
        ours = 1.0 / (1.0 / of_branches[OURS] + 1.0 / (epochs * of_branches[TREES]))
        yield Result(
            "augmentation",
            f"branches, batch {batch_size}, one core",
            "jets/s",
            ours,
            of_branches[PLAIN],
            ratio=ours / of_branches[PLAIN],
            aim="150k jets/s",
            note=f"plain: constituents dropped one by one; ours: trees made once in {epochs} epochs, at "
            f"{of_branches[TREES] / 1e3:.1f}k jets/s",
        )
