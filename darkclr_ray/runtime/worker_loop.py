"""The loop that Ray Train runs in every training worker: fetch a job, do it, say how it ended.

Workers stay alive between jobs, so that a trial does not pay for starting processes, importing torch and joining a
process group. What Ray Train guarantees stays: it places the workers, joins them to one process group, and when one is
lost it starts them anew; the job that they had is taken up again from its last checkpoint.
"""

from __future__ import annotations

import errno
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import ray
import ray.train
import torch
from ray.train.torch import get_device
from torch import distributed

from darkclr_ray.runtime.job_queue import Outcome
from darkclr_ray.training.base import TrainingDiverged
from darkclr_ray.training.loop import StopTraining

Work = Callable[[Any, "WorkerContext"], dict[str, Any]]
"""Does a job on all ranks at once: (payload, place) -> result. Raises what `attempt` understands."""

INFRASTRUCTURE_ERRNOS = {
    errno.ENOSPC,
    errno.EDQUOT,
    errno.EROFS,
    errno.EIO,
    errno.ESTALE,
    errno.ENOTCONN,
    errno.EACCES,
    errno.ENOENT,
}
"""Faults of disks and mounts: no trial is to blame for them."""

RAY_ERRORS = (ray.exceptions.OutOfDiskError, ray.exceptions.ObjectStoreFullError, ray.exceptions.ObjectLostError)
"""The same of Ray's store of objects."""


@dataclass(frozen=True)
class WorkerContext:
    """A training worker's place, and its line to the job queue while it does one job.

    Attributes:
        job: name of the job.
        rank, world_size: this worker among the workers of its worker group.
        device: where its tensors live.
        job queue: handle of the `JobQueue`, where it reports.
        start: number of the start of workers that this one is of; the job queue hears those of one start about a job.
    """

    job: str
    rank: int
    world_size: int
    device: torch.device
    queue: Any
    start: int = 0

    def tell(self, progress: dict[str, Any]) -> None:
        """Say where the job stands, without waiting. Only rank 0 is heard."""
        if self.rank == 0:
            self.queue.report.remote(self.job, self.start, progress)

    def rung(self, values: dict[str, Any]) -> None:
        """Hand on an intermediate result ({"epoch": ..., "objective": ...})."""
        if self.rank == 0:
            ray.get(self.queue.rung.remote(self.job, self.start, values))

    def go_on(self, progress: dict[str, Any]) -> None:
        """Say where the job stands; raises StopTraining, on all ranks alike, if it shall end here."""
        going = ray.get(self.queue.report.remote(self.job, self.start, progress)) if self.rank == 0 else True
        if not self.agreed(going):
            raise StopTraining("asked to stop")

    def agreed(self, value: bool) -> bool:
        """What rank 0 says, on all ranks."""
        if self.world_size == 1:
            return value
        flag = torch.tensor([float(value)], device=self.device)
        distributed.broadcast(flag, 0)
        return bool(flag.item())


def worker_loop(config: dict[str, Any]) -> None:
    """Do jobs until the job queue sends everyone home. Ray Train calls this in each worker.

    Args:
        config: "queue": its handle; "worker_group": number of this worker group; "work": see `Work`; "threads": of
            torch on the CPU.
    """
    context = ray.train.get_context()
    rank, world_size = context.get_world_rank(), context.get_world_size()
    queue = config["queue"]
    torch.set_num_threads(config["threads"])  # Ray's OMP_NUM_THREADS is for one CPU
    device = get_device()
    worker = ray.get_runtime_context().current_actor
    start = shared_token(world_size, device)
    position: int | None = None
    while True:
        task = ray.get(queue.take.remote(config["worker_group"], position, rank, start, worker))
        if task is None:
            return
        position, name, payload = task
        try:
            outcome = attempt(config["work"], payload, WorkerContext(name, rank, world_size, device, queue, start))
        except Exception as error:
            ray.get(queue.complain.remote(name, start, f"{type(error).__name__}: {error}"))
            raise
        if rank == 0 or outcome.state == "broken":
            ray.get(queue.finish.remote(name, start, outcome))
        if outcome.state == "broken" and world_size > 1:
            raise RuntimeError(outcome.reason)  # the others may not have met with it, and wait for this one
        position += 1


def shared_token(world_size: int, device: torch.device) -> int:
    """A random number that all ranks share."""
    number = torch.tensor([secrets.randbits(62)], device=device)
    if world_size > 1:
        distributed.broadcast(number, 0)
    return int(number)


def attempt(work: Work, payload: Any, place: WorkerContext) -> Outcome:
    """Do a job, and put how it ended into words.

    What one rank alone runs into, its companions would wait for, and a GPU that an error has left unusable stays so for
    this process: there a fault of the code is raised, and Ray Train starts all workers of the worker group anew.
    """
    try:
        return Outcome("finished", result=work(payload, place))
    except TrainingDiverged as error:
        return Outcome("failed", str(error))
    except StopTraining:
        return Outcome("stopped")
    except Exception as raised:
        fault = getattr(raised, "cause", None) or raised  # what a task of Ray's raised, it wraps
        if isinstance(fault, OSError) and fault.errno in INFRASTRUCTURE_ERRNOS:
            return Outcome("broken", f"{fault.strerror}: {fault.filename}" if fault.filename else str(fault))
        if isinstance(fault, RAY_ERRORS):
            return Outcome("broken", str(fault))
        if place.world_size > 1 or not usable(place.device):
            raise
        return Outcome("failed", f"{type(fault).__name__}: {fault}")


def usable(device: torch.device) -> bool:
    """Whether a device still computes: after some errors a process gets nothing more out of its GPU."""
    if device.type == "cpu":
        return True
    try:
        return bool(torch.ones(1, device=device).sum().item() == 1.0)
    except RuntimeError:
        return False
