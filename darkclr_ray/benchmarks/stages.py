"""The stages by name, and how to measure them."""

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
"""Modules of this room, each with a function ``rows(repetitions)``."""

QUICK = ("augmentation", "contrastive", "autoencoder", "scoring", "gpu")
"""What is measured unless other stages are asked for: some minutes."""


def measure(stages: Sequence[str], repetitions: int) -> Iterator[Result]:
    """The rows of some stages, as they are measured.

    Raises ValueError for an unknown stage.
    """
    unknown = [stage for stage in stages if stage not in STAGES]
    if unknown:
        raise ValueError(f"unknown stages: {', '.join(unknown)}; there are: {', '.join(STAGES)}")
    for stage in stages:
        torch.manual_seed(1)
        yield from importlib.import_module(f"darkclr_ray.benchmarks.{stage}").rows(repetitions)
