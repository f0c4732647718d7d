"""Settings of the resources that a study uses."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from darkclr_ray.settings.base import Settings


class ComputeSettings(Settings):
    """Resources that a study uses."""

    address: str | None = None
    """Address of a Ray cluster ("auto" or "host:6379"); none: Ray is started on this machine."""
    workers: int = Field(0, ge=0, le=4096)
    """Number of training workers per trial; 0: each trial's share of the GPUs, or one worker without a GPU."""
    cpus_per_worker: float = Field(1.0, gt=0.0, le=1024.0)
    """Number of CPUs of a training worker. One more CPU makes its batches or, below 1, the remainder of its own CPU
    does.
    """
    concurrent_trials: int = Field(0, ge=0, le=4096)
    """Number of trials that run at the same time; 0: as many as the resources permit."""
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    """Precision of matrix products; "auto" selects bfloat16 if the hardware is fast at it."""
    kernels: Literal["auto", "off"] = "auto"
    """Implementation of the networks; "auto" uses the compiled kernels in C or Triton that support a network, "off"
    PyTorch alone, which gives the same results up to rounding and random numbers of dropout and chains.
    """
    materialise_limit: float = Field(4.0, ge=0.0, le=1e6)
    """Size in GB up to which the jets of a sample are kept in the object store. A larger sample is unpacked on disk, 12
    bytes a constituent and 40 a jet, beside its shards or in the cache folder; all processes map the files, and the
    streams of views read the shards.
    """
    stall_limit: float = Field(1800.0, gt=0.0)
    """Seconds without progress after which a trial is stopped and marked as failed."""
    worker_failures: int = Field(3, ge=0, le=1000)
    """Number of times that a training is resumed from its last checkpoint after a worker was lost."""
