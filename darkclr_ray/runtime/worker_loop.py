"""The loop that Ray Train runs in every training worker: get a job, run it, report its outcome.

Workers stay alive between jobs, so that a trial does not pay for starting processes, importing torch and joining a
process group. Ray Train places the workers, joins them to one process group, and restarts all of them when one is lost;
the job is then resumed from its last checkpoint.
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
from ray.train import UserCallback
from ray.train.collective import broadcast_from_rank_zero
from ray.train.torch import get_device
from torch import distributed

from darkclr_ray.runtime.outcome import Outcome
from darkclr_ray.training.base import TrainingDiverged
from darkclr_ray.training.loop import StopTraining

Work = Callable[[Any, "WorkerContext"], dict[str, Any]]
"""Runs a job on all ranks at once: (payload, context) -> result. `run_job` lists what it may raise."""

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
"""Errors of disks and mounts, of which no trial is the cause."""

RAY_ERRORS = (ray.exceptions.OutOfDiskError, ray.exceptions.ObjectStoreFullError, ray.exceptions.ObjectLostError)
"""Errors of Ray's object store, of which no trial is the cause."""

LOST_PROCESSES = (
    ray.exceptions.RayActorError,
    ray.exceptions.WorkerCrashedError,
    ray.exceptions.OutOfMemoryError,
    ray.exceptions.NodeDiedError,
)
"""Errors of Ray where another process was lost, such as one that makes batches: the job is started again."""


@dataclass(frozen=True)
class WorkerContext:
    """Rank and device of a training worker, and its connection to the mailbox during one job.

    Attributes:
        job: name of the job.
        rank, world_size: of this worker in its worker group.
        device: of its tensors.
        mailbox: handle of the `Mailbox`.
        token: number that all ranks of this start of the workers share.
        index: number of the job since that start.
    """

    job: str
    rank: int
    world_size: int
    device: torch.device
    mailbox: Any = None
    token: int = 0
    index: int = 0

    def report(self, progress: dict[str, Any]) -> None:
        """Report the progress of the job without waiting. Only rank 0 reports."""
        if self.rank == 0:
            self._call("report", progress)

    def report_metric(self, values: dict[str, Any]) -> None:
        """Report an intermediate result ({"epoch": ..., "objective": ...}). Only rank 0 reports."""
        if self.rank == 0:
            ray.get(self._call("report_metric", values))

    def check_stop(self, progress: dict[str, Any]) -> None:
        """Report the progress of the job; raise StopTraining, on all ranks alike, if the job should stop here."""
        proceed = ray.get(self._call("report", progress)) if self.rank == 0 else True
        if not self.broadcast(proceed):
            raise StopTraining("asked to stop")

    def broadcast(self, value: bool) -> bool:
        """Return rank 0's value on all ranks."""
        if self.world_size == 1:
            return value
        flag = torch.tensor([float(value)], device=self.device)
        distributed.broadcast(flag, 0)
        return bool(flag.item())

    def finish(self, outcome: Outcome) -> None:
        """Report the outcome of the job."""
        ray.get(self._call("finish", outcome))

    def record_error(self, error: Exception) -> None:
        """Report the error that is about to end this worker."""
        ray.get(self._call("record_error", f"{type(error).__name__}: {error}"))

    def _call(self, method: str, *arguments: Any) -> Any:
        named = getattr(self.mailbox, method).options(name=f"{self.job}: {method}")  # for the dashboard's list of tasks
        return named.remote(self.token, self.index, *arguments)


def worker_loop(config: dict[str, Any]) -> None:
    """Run jobs until the mailbox is closed. Ray Train calls this in each worker.

    Args:
        config: "mailbox": its handle; "work": see `Work`; "threads": of torch on the CPU.
    """
    context, mailbox = ray.train.get_context(), config["mailbox"]
    rank, world_size = context.get_world_rank(), context.get_world_size()
    worker = ray.get_runtime_context().current_actor
    token = broadcast_from_rank_zero(secrets.randbits(62)) if world_size > 1 else secrets.randbits(62)
    torch.set_num_threads(config["threads"])  # Ray sets OMP_NUM_THREADS for one CPU
    device = get_device()
    index = 0
    while (task := ray.get(mailbox.get.remote(token, rank, index, worker))) is not None:
        name, payload = task
        run = WorkerContext(name, rank, world_size, device, mailbox, token, index)
        try:
            outcome = run_job(config["work"], payload, run)
        except Exception as error:
            run.record_error(error)
            raise
        if rank == 0 or outcome.state == "broken":
            run.finish(outcome)
        if outcome.state == "broken" and world_size > 1:
            raise RuntimeError(outcome.reason)  # the other ranks may wait for this one
        index += 1


class ReportFailures(UserCallback):
    """Reports failed workers to the mailbox, of which some may never have asked it for a job."""

    def __init__(self, mailbox: Any) -> None:
        self.mailbox = mailbox

    def after_exception(self, run_context: Any, worker_exceptions: dict[int, Exception]) -> None:
        """Ray Train's controller calls this after workers have failed."""
        self.mailbox.start_failed.remote(str(next(iter(worker_exceptions.values()))))


def run_job(work: Work, payload: Any, context: WorkerContext) -> Outcome:
    """Run a job and return its outcome.

    Raises an error of the code if other ranks may wait for this one, if the GPU has become unusable for this process,
    or if another process was lost: Ray Train then restarts all workers of the group.
    """
    try:
        return Outcome("finished", result=work(payload, context))
    except TrainingDiverged as error:
        return Outcome("failed", str(error))
    except StopTraining:
        return Outcome("stopped")
    except Exception as raised:
        fault = getattr(raised, "cause", None) or raised  # Ray wraps errors of its tasks
        if isinstance(fault, OSError) and fault.errno in INFRASTRUCTURE_ERRNOS:
            return Outcome("broken", f"{fault.strerror}: {fault.filename}" if fault.filename else str(fault))
        if isinstance(fault, RAY_ERRORS):
            return Outcome("broken", str(fault))
        if isinstance(fault, LOST_PROCESSES) or context.world_size > 1 or not is_usable(context.device):
            raise
        return Outcome("failed", f"{type(fault).__name__}: {fault}")


def is_usable(device: torch.device) -> bool:
    """Return whether a device still computes: some errors leave a GPU unusable for the process."""
    if device.type == "cpu":
        return True
    try:
        return bool(torch.ones(1, device=device).sum().item() == 1.0)
    except RuntimeError:
        return False
