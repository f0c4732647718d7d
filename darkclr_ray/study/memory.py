"""Memory that the processes of a study take, estimated from measured constants before anything is trained."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from darkclr_ray.jets.batching import POOL
from darkclr_ray.runtime.resources import ResourcePlan
from darkclr_ray.settings import StudySettings

DRIVER = 330e6
"""Bytes of a study's own process without jets: imports of Ray and torch, records, display."""

HELPERS = 500e6
"""Bytes of the processes that Ray Train and Ray Tune start for one worker group."""

WORKER = 450e6
"""Bytes of a training worker without jets: imports, networks, optimiser, one evaluation's replicas."""

DATA_WORKER = 350e6
"""Bytes of a data worker: imports, one pool of jets, one block of batches."""

EVALUATED = 120.0
"""Bytes of a training worker for each jet of the largest sample that it evaluates: scores, ranks, draws."""


@dataclass(frozen=True)
class MemoryEstimate:
    """Bytes of each process of a study, and of the object store of the whole cluster.

    Attributes:
        driver, worker, data_worker: bytes of one process.
        object_store: bytes of the jets that all processes share.
        worker_groups, workers, data_workers: number of worker groups, of training workers and of data workers.
    """

    driver: float
    worker: float
    data_worker: float
    object_store: float
    worker_groups: int
    workers: int
    data_workers: int

    @staticmethod
    def of(
        settings: StudySettings, allocation: ResourcePlan, jets: Mapping[str, Mapping[str, int]], held: float
    ) -> MemoryEstimate:
        """Return the estimate for a study.

        Args:
            settings: settings of the study.
            allocation: its share of the cluster.
            jets: number of jets by split and sample.
            held: bytes of the samples that are held in memory; larger ones are maps of files, which take none.
        """
        widest = max(settings.encoder.d_z, *settings.search.d_z)
        training = max(jets["train"].values())
        evaluated = max(count for split in jets if split != "train" for count in jets[split].values())
        workers = allocation.worker_groups * allocation.workers
        return MemoryEstimate(
            driver=DRIVER + held,
            # one pool of representations, as it is read and scaled
            worker=WORKER + 8.0 * widest * min(training, POOL) + EVALUATED * evaluated,
            data_worker=DATA_WORKER,
            object_store=held,
            worker_groups=allocation.worker_groups,
            workers=workers,
            data_workers=workers * math.ceil(allocation.data_cpus),
        )

    @property
    def total(self) -> float:
        """Bytes of all processes and of the object store."""
        processes = self.driver + self.workers * self.worker + self.data_workers * self.data_worker
        return processes + self.worker_groups * HELPERS + self.object_store

    def check(self, available: float) -> None:
        """Raise ValueError if a cluster with so many bytes of memory is too small; 0 means unknown."""
        if 0.0 < available < self.total:
            raise ValueError(
                f"the study needs about {self.total / 1e9:.1f} GB of memory ({self}), and the cluster has "
                f"{available / 1e9:.1f} GB; lower compute.concurrent_trials or compute.workers, or lower "
                f"compute.materialise_limit so that fewer jets are held in memory"
            )

    def __str__(self) -> str:
        return (
            f"{self.driver / 1e9:.1f} GB the study itself, {self.workers} x {self.worker / 1e9:.1f} GB training, "
            f"{self.data_workers} x {self.data_worker / 1e9:.1f} GB feeding, {self.object_store / 1e9:.1f} GB of jets, "
            f"{self.worker_groups} x {HELPERS / 1e9:.1f} GB Ray"
        )
