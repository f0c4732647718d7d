"""Names of the benchmarked stages, and the function that measures them."""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Sequence

import torch

from darkclr_ray.benchmarks.result import Result

STAGES = (
    "augmentation",
    "contrastive",
    "stream",
    "trial",
    "autoencoder",
    "scoring",
    "generation",
    "memory",
    "scaling",
    "nodes",
    "gpu",
)
"""Names of the modules of this package that have a function ``rows(repetitions)``."""

QUICK = ("augmentation", "contrastive", "autoencoder", "scoring", "gpu")
"""Stages that are measured by default, in a few minutes."""


def measure(stages: Sequence[str], repetitions: int) -> Iterator[Result]:
    """Measure stages and yield each result when it is available; raise ValueError for an unknown stage."""
    unknown = [stage for stage in stages if stage not in STAGES]
    if unknown:
        raise ValueError(f"unknown stages: {', '.join(unknown)}; there are: {', '.join(STAGES)}")
    for stage in stages:
        torch.manual_seed(1)
        yield from importlib.import_module(f"darkclr_ray.benchmarks.{stage}").rows(repetitions)
