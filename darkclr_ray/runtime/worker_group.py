"""A worker group of Ray Train that stays alive and runs one job after another."""

from __future__ import annotations

import contextlib
import itertools
import math
import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ray

from darkclr_ray.runtime.cluster import RAY_ENV
from darkclr_ray.runtime.mailbox import Mailbox, News
from darkclr_ray.runtime.outcome import Outcome
from darkclr_ray.runtime.resources import ResourcePlan

HEAD = {"node:__internal_head__": 0.001}
"""Resource that places an actor on the head, which is not lost before the study."""


@dataclass(frozen=True)
class GroupPlan:
    """Everything that a worker group is started with.

    Attributes:
        allocation: number of workers of a group and their resources.
        work: what they do with a job; see `darkclr_ray.runtime.worker_loop.Work`.
        folder: for files of Ray Train; all nodes must see it.
        failures: how often a job is restarted after workers were lost.
        stall_limit: seconds without progress after which a job fails.
        place_limit: seconds without a living worker after which a job ends as broken.
    """

    allocation: ResourcePlan
    work: Any
    folder: Path
    failures: int
    stall_limit: float = 1800.0
    place_limit: float = math.inf

    def fit(self, mailbox: Any) -> None:
        """Run the workers until the mailbox is closed. Ray Train restarts them without a limit: the mailbox counts the
        attempts of each job, whereas Ray Train would count over all jobs."""
        from ray.train import FailureConfig, RunConfig, ScalingConfig
        from ray.train.torch import TorchTrainer

        from darkclr_ray.runtime.worker_loop import ReportFailures, worker_loop

        allocation = self.allocation
        TorchTrainer(
            worker_loop,
            train_loop_config={"mailbox": mailbox, "work": self.work, "threads": allocation.threads},
            scaling_config=ScalingConfig(
                num_workers=allocation.workers,
                use_gpu=allocation.gpus_per_worker > 0,
                resources_per_worker=allocation.per_worker,
            ),
            run_config=RunConfig(
                name="workers",
                storage_path=str(self.folder),
                failure_config=FailureConfig(max_failures=-1, controller_failure_limit=0),  # type: ignore[call-arg]
                callbacks=[ReportFailures(mailbox)],  # type: ignore[list-item]
            ),
        ).fit()


class WorkerGroup:
    """Training workers for one job at a time: `put` and `news`, or `run` to wait for the end.

    Args:
        plan: of the group; its workers start at once.

    Attributes:
        name: of the mailbox's actor.
    """

    def __init__(self, plan: GroupPlan) -> None:
        self.plan = plan
        self.name = f"mailbox-{secrets.token_hex(4)}"
        self._numbers = itertools.count()
        # With this address, Ray Train can free the resources of lost workers where several Rays run on a machine
        environment = {"RAY_ADDRESS": ray.get_runtime_context().gcs_address, **RAY_ENV}
        options = {
            "name": self.name,
            "num_cpus": 0,
            "resources": HEAD,
            "scheduling_strategy": "DEFAULT",  # not in the placement group of a trial
            "runtime_env": {"env_vars": environment},
        }
        mailbox: Any = ray.remote(Mailbox)
        self.mailbox = mailbox.options(**options).remote(plan.failures + 1, plan.stall_limit, plan.place_limit)
        self.training = self.mailbox.train.remote(plan.fit)

    def put(self, name: str, payload: Any) -> None:
        """Set the next job; an unfinished one is stopped after its epoch."""
        ray.get(self.mailbox.put.remote(name, payload))

    def news(self, timeout: float = 1.0) -> News:
        """Return the state of the job; block until there is a metric or an outcome, or until the timeout (seconds).

        Raises RayError or what Ray Train raised if the group is lost.
        """
        news = self.mailbox.news.remote(timeout)
        ready, _ = ray.wait([news, self.training], num_returns=1)
        if self.training in ready:
            ray.get(self.training)
        answer: News = ray.get(news)
        return answer

    def run(self, payload: Any, name: str | None = None) -> Outcome:
        """Run one job and return its outcome."""
        self.put(name or f"job-{next(self._numbers)}", payload)
        while True:
            news = self.news()
            if news.outcome is not None:
                return news.outcome

    def close(self, patience: float = 45.0) -> None:
        """Let the workers return; kill them if they have not returned after ``patience`` seconds.

        Workers that wait for a place return after RAY_TRAIN_WORKER_GROUP_START_TIMEOUT_S.
        """
        with contextlib.suppress(ray.exceptions.RayError):
            ray.get(self.mailbox.close.remote())
            ray.wait([self.training], timeout=patience)
        ray.kill(self.mailbox)
