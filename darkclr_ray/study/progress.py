"""Progress of a running study: a live display on a terminal, plain lines elsewhere."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from contextlib import suppress
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
"""Names of stages on the screen."""

PAUSE = 20.0
"""Seconds between two plain lines on the same stage of a trial."""


@dataclass
class Status:
    """Progress of a study.

    Attributes:
        total: total number of jobs.
        counts: number of ended jobs by state.
        best: number and objective of the best trial so far.
        left: estimated seconds left; None if unknown.
        note: a further line, such as how to stop.
        what: plural noun for the jobs.
    """

    total: int
    counts: dict[str, int] = field(default_factory=dict)
    best: str | None = None
    left: float | None = None
    note: str | None = None
    what: str = "trials"

    @property
    def ended(self) -> int:
        """Number of jobs that have ended."""
        return sum(self.counts.values())

    def summary(self) -> str:
        """Return the progress as one line."""
        states = ", ".join(f"{count} {state.lower()}" for state, count in sorted(self.counts.items()) if count)
        parts = [f"{self.ended} of {self.total} {self.what}" + (f" ({states})" if states else "")]
        if self.left is not None:
            parts.append(f"about {duration(self.left)} left")
        if self.best or not self.ended:
            parts.append(f"best so far: {self.best}" if self.best else "no result yet")
        return ", ".join(parts)


def _live(console: Console) -> Live:
    # other output is redirected to a file
    return Live(console=console, refresh_per_second=4, transient=True, redirect_stdout=False, redirect_stderr=False)


class Display:
    """Shows the running jobs.

    Args:
        console: console of the output.
    """

    def __init__(self, console: Console) -> None:
        self.console = console
        self._live = _live(console) if console.is_terminal else None
        self._shown: dict[str, tuple[str, float]] = {}

    def __enter__(self) -> Display:
        if self._live is not None:
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._live is not None:
            self._live.stop()

    def print_line(self, text: str) -> None:
        """Print a line that stays on the screen."""
        with suppress(OSError):  # the terminal may be gone
            self.console.print(text, highlight=False, soft_wrap=True, markup=False)

    def update(self, jobs: Mapping[str, Mapping[str, Any]], status: Status) -> None:
        """Show the progress of the jobs (see `darkclr_ray.runtime.mailbox.News`)."""
        if self._live is not None:
            self._live.update(Group(*self._rows(jobs), Text(status.summary()), Text(status.note or "", style="dim")))
            return
        now = time.monotonic()
        for name, job in jobs.items():
            stage = str(job.get("stage", "starting"))
            last, shown_at = self._shown.get(name, ("", -math.inf))
            if stage != last or now - shown_at >= PAUSE:
                self._shown[name] = stage, now
                left = f", about {duration(status.left)} left" if status.left is not None else ""
                self.print_line(f"{name}: {describe(job)}{left}")

    def _rows(self, jobs: Mapping[str, Mapping[str, Any]]) -> list[RenderableType]:
        table = Table.grid(padding=(0, 2))
        for name, job in sorted(jobs.items()):
            done = (job.get("epoch", 0) + job.get("part", 0.0)) / max(1, job.get("epochs", 1))
            table.add_row(name, ProgressBar(total=1.0, completed=min(1.0, done), width=24), describe(job))
        return [table]


def describe(job: Mapping[str, Any]) -> str:
    """Return the progress of a job as one line.

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
