"""How a job ends, and the names under which a trial reports to Ray Tune."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

METRIC, EPOCH = "objective", "epoch"
"""Metric that Tune maximises, and the time of a trial: Tune's `training_iteration` restarts with each attempt."""

State = Literal["finished", "failed", "stopped", "broken"]
"""State of a job that has ended.

finished: it has a result. failed: it cannot succeed (a loss that diverged, a bug). stopped: it was asked to stop, and
can be resumed from its checkpoint. broken: the infrastructure failed (a full disk), and the study should pause.
"""


@dataclass(frozen=True)
class Outcome:
    """State, error message and result of a job that has ended."""

    state: State
    reason: str | None = None
    result: dict[str, Any] = field(default_factory=dict)


class InfrastructureError(RuntimeError):
    """The infrastructure of a study failed; the study can be continued once that is repaired."""
