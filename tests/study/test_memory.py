"""The estimate of a study's memory: sums by hand, what it depends on, and what is refused."""

from __future__ import annotations

import pytest

from darkclr_ray.presets import preset
from darkclr_ray.runtime.resources import Node, allocate
from darkclr_ray.settings import ComputeSettings
from darkclr_ray.study.memory import DATA_WORKER, DRIVER, EVALUATED, HELPERS, WORKER, MemoryEstimate

SETTINGS = preset("laptop")


def estimate(training: int, judged: int = 1000, cpus: int = 4, held: float = 0.0) -> MemoryEstimate:
    jets = {"train": {"qcd": training}, "validation": {"qcd": 10}, "test": {"qcd": judged, "aachen": 5}}
    return MemoryEstimate.of(SETTINGS, allocate(ComputeSettings(), 6, [Node(cpus)]), jets, held)


def test_sums() -> None:
    two = estimate(10_000, judged=2000, cpus=4, held=1e9)
    assert (two.worker_groups, two.workers, two.data_workers) == (2, 2, 2)
    worker = WORKER + 8 * 128 * 10_000 + EVALUATED * 2000
    assert two.total == pytest.approx(DRIVER + 1e9 + 2 * (worker + DATA_WORKER + HELPERS) + 1e9)
    text = str(two)
    for words in ("1.3 GB the study itself", "2 x 0.5 GB training", "2 x 0.3 GB feeding", "1.0 GB of jets"):
        assert words in text


def test_it_does_not_grow_with_training_jets_that_are_mapped() -> None:
    assert estimate(1_000_000).total == estimate(100_000_000).total < 1.2 * estimate(100_000).total


def test_what_cannot_fit_is_refused() -> None:
    needed = estimate(1_000_000, held=5e9)
    needed.check(needed.total)
    needed.check(0.0)  # unknown
    with pytest.raises(ValueError, match=r"needs about 1\d\.\d GB of memory .* and the cluster has 8\.0 GB; lower"):
        needed.check(8e9)
