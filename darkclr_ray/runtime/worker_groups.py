"""Worker groups of training workers that stay alive between jobs, each one run of Ray Train."""

from __future__ import annotations

import contextlib
import itertools
import logging
import threading
from pathlib import Path
from typing import Any

import ray
from ray.train import FailureConfig, RunConfig, ScalingConfig

from darkclr_ray.ray_private import kill_actor
from darkclr_ray.runtime.job_queue import JobQueue, Outcome
from darkclr_ray.runtime.resources import ResourcePlan

logger = logging.getLogger(__name__)

MAX_FAILED_STARTS = 3
"""Starts in a row after which no job was taken: then the workers cannot start at all."""


class InfrastructureError(RuntimeError):
    """The surroundings of a study failed; it can be continued once they are mended."""


class WorkerGroups:
    """Training workers for the jobs of a study: `submit` from anywhere, `run` to wait.

    Args:
        allocation: how many worker groups of how many workers, with which resources.
        work: what they do with a job; see `darkclr_ray.runtime.worker_loop.Work`.
        folder: for Ray Train's own notes; every node must see it.
        failures: how often a job is taken up again after workers were lost.
    """

    def __init__(self, allocation: ResourcePlan, work: Any, folder: Path, failures: int) -> None:
        self.allocation, self.work, self.folder, self.failures = allocation, work, folder, failures
        # on the head, which stays; its many callers wait in turn
        place: dict[str, Any] = {"max_concurrency": 1000, "resources": {"node:__internal_head__": 0.001}}
        self.queue: Any = ray.remote(num_cpus=0, **place)(JobQueue).remote(failures + 1)
        self.trouble: str | None = None
        self._closing = threading.Event()
        self._numbers = itertools.count()
        self._threads = [
            threading.Thread(target=self._keep, args=(worker_group,), daemon=True, name=f"worker-group-{worker_group}")
            for worker_group in range(allocation.worker_groups)
        ]
        for thread in self._threads:
            thread.start()

    def run(self, payload: Any, name: str | None = None) -> Outcome:
        """Do one job and wait for its end."""
        name = name or f"job-{next(self._numbers)}"
        ray.get(self.queue.submit.remote(name, payload))
        pending = self.queue.next.remote(name, 10**9)
        while True:
            ready, _ = ray.wait([pending], timeout=1.0)
            if ready:
                outcome: Outcome = ray.get(pending)
                return outcome
            self.check()

    def check(self) -> None:
        """Raise Broken if the workers cannot start."""
        if self.trouble is not None:
            raise InfrastructureError(f"the training workers do not start: {self.trouble}")

    def close(self, patience: float = 10.0) -> None:
        """Send the workers home; a worker group that waits for a place has none to send, and would wait for ever."""
        self._closing.set()
        ray.get(self.queue.close.remote())
        for thread in self._threads:
            thread.join(patience / len(self._threads))
        if any(thread.is_alive() for thread in self._threads):
            self.abandon()

    def abandon(self, patience: float = 5.0) -> None:
        """Ray is about to end, whatever the workers do: end those whom the keepers of the worker groups wait for.

        A thread that is still in a call of Ray's when it ends takes the whole process with it, without a word.
        """
        self._closing.set()
        with contextlib.suppress(Exception):
            _end_controllers(patience)
        for thread in self._threads:
            thread.join(patience / len(self._threads))

    def _keep(self, worker_group: int) -> None:
        """Keep one worker group at work as long as the study lasts."""
        from ray.train.torch import TorchTrainer

        from darkclr_ray.runtime.worker_loop import worker_loop

        in_vain = 0
        while not self._closing.is_set():
            before = ray.get(self.queue.taken.remote())
            trainer = TorchTrainer(
                worker_loop,
                train_loop_config={
                    "queue": self.queue,
                    "worker_group": worker_group,
                    "work": self.work,
                    "threads": self.allocation.threads,
                },
                scaling_config=ScalingConfig(
                    num_workers=self.allocation.workers,
                    use_gpu=self.allocation.gpus_per_worker > 0,
                    resources_per_worker=self.allocation.per_worker,
                ),
                run_config=RunConfig(
                    name=f"worker-group-{worker_group}",
                    storage_path=str(self.folder),
                    failure_config=FailureConfig(max_failures=self.failures),
                ),
            )
            try:
                trainer.fit()
            except Exception as error:
                if self._closing.is_set():
                    return
                logger.warning("worker group %d: %s", worker_group, error)
                in_vain = 0 if ray.get(self.queue.taken.remote()) > before else in_vain + 1
                if in_vain >= MAX_FAILED_STARTS:
                    self.trouble = str(error)
                    ray.get(self.queue.give_up.remote(worker_group, self.trouble))
                    return


def _end_controllers(limit: float) -> None:
    """Kill the actors with which Ray Train controls this driver's worker groups.

    Args:
        limit: seconds to wait for their list.
    """
    from ray.util.state import list_actors

    context = ray.get_runtime_context()
    alive = [("job_id", "=", context.get_job_id()), ("class_name", "=", "TrainController"), ("state", "=", "ALIVE")]
    here = context.gcs_address  # other clusters may have nodes on this machine, too
    for actor in list_actors(here, filters=alive, timeout=max(1, int(limit))):  # type: ignore[arg-type]
        kill_actor(actor.actor_id)
