"""The state and the message of a job that has ended."""

from __future__ import annotations

import errno
from typing import Any

import pytest
import torch
from ray.exceptions import ActorDiedError, OutOfDiskError, OutOfMemoryError, RayTaskError, WorkerCrashedError

from darkclr_ray.runtime.worker_loop import WorkerContext, run_job
from darkclr_ray.training.base import TrainingDiverged
from darkclr_ray.training.loop import StopTraining


def context(world_size: int = 1) -> WorkerContext:
    return WorkerContext("trial-0001", 0, world_size, torch.device("cpu"))


def raising(error: Exception) -> Any:
    def work(payload: Any, context: WorkerContext) -> dict[str, Any]:
        raise error

    return work


def test_a_result_is_handed_on() -> None:
    outcome = run_job(lambda payload, context: {"twice": 2 * payload, "job": context.job}, 21, context())
    assert (outcome.state, outcome.result) == ("finished", {"twice": 42, "job": "trial-0001"})


@pytest.mark.parametrize(
    ("error", "state", "words"),
    [
        (TrainingDiverged("energy: the loss became nan"), "failed", "energy: the loss became nan"),
        (StopTraining("asked to stop"), "stopped", None),
        (
            OSError(errno.ENOSPC, "No space left on device", "/results/x"),
            "broken",
            "No space left on device: /results/x",
        ),
        (OSError(errno.EROFS, "Read-only file system"), "broken", "Read-only file system"),
        (FileNotFoundError(errno.ENOENT, "No such file or directory", "/shards/a"), "broken", "/shards/a"),
        (OutOfDiskError("no room for objects"), "broken", "no room for objects"),
        (OSError("something odd"), "failed", "OSError: something odd"),
        (KeyError("bug"), "failed", "KeyError: 'bug'"),
        (ValueError("jets without constituents"), "failed", "jets without constituents"),
    ],
)
def test_an_end_has_a_state_and_a_reason(error: Exception, state: str, words: str | None) -> None:
    outcome = run_job(raising(error), None, context())
    assert outcome.state == state
    assert (words is None and outcome.reason is None) or (words is not None and words in str(outcome.reason))


@pytest.mark.parametrize("error", [OutOfMemoryError("killed"), ActorDiedError(), WorkerCrashedError()])
def test_a_job_that_lost_a_process_is_started_again(error: Exception) -> None:
    with pytest.raises(type(error)):
        run_job(raising(error), None, context())


def test_what_a_task_raised_counts_for_what_it_is() -> None:
    raised = RayTaskError("read", "Traceback ...", OSError(errno.ESTALE, "these jets changed", "/shards/a"))
    outcome = run_job(raising(raised.as_instanceof_cause()), None, context())
    assert (outcome.state, outcome.reason) == ("broken", "these jets changed: /shards/a")


def test_what_one_of_several_runs_into_ends_all_of_them() -> None:
    with pytest.raises(KeyError):
        run_job(raising(KeyError("bug")), None, context(world_size=2))
    assert run_job(raising(TrainingDiverged("nan")), None, context(world_size=2)).state == "failed"


def test_a_device_that_computes_no_more_wants_a_new_process() -> None:
    """The device "meta" stands for a GPU after an error: nothing comes out of it."""
    lost = WorkerContext("trial-0001", 0, 1, torch.device("meta"))
    with pytest.raises(KeyError):
        run_job(raising(KeyError("an illegal memory access")), None, lost)
    assert run_job(raising(TrainingDiverged("nan")), None, lost).state == "failed"


def test_a_disk_that_one_of_several_misses_is_told_before_all_begin_anew() -> None:
    gone = OSError(errno.EIO, "Input/output error", "/shards/a")
    assert run_job(raising(gone), None, context(world_size=2)).state == "broken"
    with pytest.raises(OSError, match="odd"):
        run_job(raising(OSError("something odd")), None, context(world_size=2))


def test_a_single_rank_broadcasts_to_itself() -> None:
    assert context().broadcast(True)
    assert not context().broadcast(False)
