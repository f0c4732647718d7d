"""What a study shows while it runs: one display on a terminal, plain lines elsewhere."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from darkclr_ray.study.plan import duration

STAGES = {
    "representation": "encoder",
    "energy": "autoencoder",
    "scores": "scores",
    "evaluation": "evaluation",
}
"""What stages are called on the screen."""

PAUSE = 20.0
"""Seconds between two plain lines on the same stage of a trial."""


@dataclass
class Status:
    """Where a study stands.

    Attributes:
        total: jobs that it shall have.
        counts: ended ones by state.
        best: number, objective and parameters of the best so far.
        left: seconds left, if they can be told.
        note: one more line, such as how to stop.
        what: what its jobs are called.
    """

    total: int
    counts: dict[str, int] = field(default_factory=dict)
    best: str | None = None
    left: float | None = None
    note: str | None = None
    what: str = "trials"

    @property
    def ended(self) -> int:
        """Jobs that have ended."""
        return sum(self.counts.values())

    def summary(self) -> str:
        """One line."""
        states = ", ".join(f"{count} {state.lower()}" for state, count in sorted(self.counts.items()) if count)
        parts = [f"{self.ended} of {self.total} {self.what}" + (f" ({states})" if states else "")]
        if self.left is not None:
            parts.append(f"about {duration(self.left)} left")
        if self.best or not self.ended:
            parts.append(f"best so far: {self.best}" if self.best else "no result yet")
        return ", ".join(parts)


def _live(console: Console) -> Live:
    # what others print goes elsewhere, and shall stay there
    return Live(console=console, refresh_per_second=4, transient=True, redirect_stdout=False, redirect_stderr=False)


class Display:
    """Shows the jobs at work; `update` as often as there is something new.

    Args:
        console: where.
    """

    def __init__(self, console: Console) -> None:
        self.console = console
        self._live = _live(console) if console.is_terminal else None
        self._told: dict[str, tuple[str, float]] = {}

    def __enter__(self) -> Display:
        if self._live is not None:
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._live is not None:
            self._live.stop()

    def say(self, text: str) -> None:
        """A line that stays."""
        self.console.print(text, highlight=False, soft_wrap=True, markup=False)

    def update(self, jobs: Mapping[str, Mapping[str, Any]], standing: Status) -> None:
        """Show where jobs stand (see `darkclr_ray.runtime.mailbox.News`)."""
        if self._live is not None:
            self._live.update(
                Group(*self._rows(jobs), Text(standing.summary()), Text(standing.note or "", style="dim"))
            )
            return
        now = time.monotonic()
        for name, job in jobs.items():
            stage = str(job.get("stage", "starting"))
            last, told = self._told.get(name, ("", -math.inf))
            if stage != last or now - told >= PAUSE:
                self._told[name] = stage, now
                left = f", about {duration(standing.left)} left" if standing.left is not None else ""
                self.say(f"{name}: {describe(job)}{left}")

    def _rows(self, jobs: Mapping[str, Mapping[str, Any]]) -> list[RenderableType]:
        table = Table.grid(padding=(0, 2))
        for name, job in sorted(jobs.items()):
            done = (job.get("epoch", 0) + job.get("part", 0.0)) / max(1, job.get("epochs", 1))
            table.add_row(name, ProgressBar(total=1.0, completed=min(1.0, done), width=24), describe(job))
        return [table]


def describe(job: Mapping[str, Any]) -> str:
    """One line on a job.

    >>> describe({"stage": "representation", "epoch": 3, "epochs": 12, "loss": 1.25, "jets_per_second": 4012.3})
    'encoder, epoch 4 of 12, loss 1.250, 4012 jets/s'
    """
    if job.get("waits"):
        return f"waits {job['waits']}"
    if "stage" not in job:
        return "starting"
    parts = [STAGES.get(job["stage"], job["stage"])]
    if job.get("epochs", 1) > 1:
        parts.append(f"epoch {job['epoch'] + 1} of {job['epochs']}")
        if "loss" in job:
            parts.append(f"loss {job['loss']:.3f}")
        if "energy_difference" in job and job["stage"] == "energy":
            parts.append(f"energy difference {job['energy_difference']:+.3g}")
        if "jets_per_second" in job:
            parts.append(f"{job['jets_per_second']:.0f} jets/s")
    if job.get("attempts", 1) > 1:
        parts.append(f"attempt {job['attempts']}")
    return ", ".join(parts)
