"""How a job's end is put into words."""

from __future__ import annotations

import errno
from typing import Any

import pytest
import torch
from ray.exceptions import OutOfDiskError, RayTaskError

from darkclr_ray.runtime.worker_loop import WorkerContext, attempt
from darkclr_ray.training.base import TrainingDiverged
from darkclr_ray.training.loop import StopTraining


def place(world_size: int = 1) -> WorkerContext:
    return WorkerContext("trial-0001", 0, world_size, torch.device("cpu"), queue=None)


def raising(error: Exception) -> Any:
    def work(payload: Any, place: WorkerContext) -> dict[str, Any]:
        raise error

    return work


def test_a_result_is_handed_on() -> None:
    outcome = attempt(lambda payload, place: {"twice": 2 * payload, "job": place.job}, 21, place())
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
    outcome = attempt(raising(error), None, place())
    assert outcome.state == state
    assert (words is None and outcome.reason is None) or (words is not None and words in str(outcome.reason))


def test_what_a_task_raised_counts_for_what_it_is() -> None:
    raised = RayTaskError("read", "Traceback ...", OSError(errno.ESTALE, "these jets changed", "/shards/a"))
    outcome = attempt(raising(raised.as_instanceof_cause()), None, place())
    assert (outcome.state, outcome.reason) == ("broken", "these jets changed: /shards/a")


def test_what_one_of_several_runs_into_ends_all_of_them() -> None:
    with pytest.raises(KeyError):
        attempt(raising(KeyError("bug")), None, place(world_size=2))
    assert attempt(raising(TrainingDiverged("nan")), None, place(world_size=2)).state == "failed"


def test_a_device_that_computes_no_more_wants_a_new_process() -> None:
    """The device "meta" stands for a GPU after an error: nothing comes out of it."""
    lost = WorkerContext("trial-0001", 0, 1, torch.device("meta"), queue=None)
    with pytest.raises(KeyError):
        attempt(raising(KeyError("an illegal memory access")), None, lost)
    assert attempt(raising(TrainingDiverged("nan")), None, lost).state == "failed"


def test_a_disk_that_one_of_several_misses_is_told_before_all_begin_anew() -> None:
    gone = OSError(errno.EIO, "Input/output error", "/shards/a")
    assert attempt(raising(gone), None, place(world_size=2)).state == "broken"
    with pytest.raises(OSError, match="odd"):
        attempt(raising(OSError("something odd")), None, place(world_size=2))


def test_alone_everybody_agrees() -> None:
    assert place().agreed(True)
    assert not place().agreed(False)
