"""Show the progress of a generation or an import: a progress bar on a terminal, otherwise plain lines."""

from __future__ import annotations

import time
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.progress import Progress as Bar


class Progress:
    """Count jets, or another ``unit``; those that existed before (``done``) do not enter the speed.

    Plain lines are at least ``pause`` seconds apart.
    """

    def __init__(
        self, total: int, done: int = 0, console: Console | None = None, *, unit: str = "jets", pause: float = 0.0
    ) -> None:
        self._console = console or Console()
        self._total, self._before, self._done = total, done, done
        self._unit, self._pause, self._told = unit, pause, 0.0
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn(unit))
        self._bar = Bar(*columns, TimeElapsedColumn(), TextColumn("left"), TimeRemainingColumn(), console=self._console)

    def __enter__(self) -> Progress:
        self._start = time.monotonic()
        if self._console.is_terminal:
            self._bar.start()
            self._task = self._bar.add_task("starting", total=self._total, completed=self._done)
        elif self._before:
            self._console.print(f"{self._before} of {self._total} {self._unit} are there already")
        return self

    def advance(self, jets: int, what: str) -> None:
        """Add ``jets`` finished jets (or units)."""
        self._done += jets
        if self._console.is_terminal:
            self._bar.update(self._task, completed=self._done, description=what)
            return
        now = time.monotonic()
        if now - self._told < self._pause and self._done < self._total:
            return
        self._told, elapsed = now, now - self._start
        left = elapsed * (self._total - self._done) / (self._done - self._before)
        self._console.print(
            f"{self._done} of {self._total} {self._unit}, {what}, about {left / 60:.0f} min left",
            soft_wrap=True,
            highlight=False,
        )

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._console.is_terminal:
            self._bar.stop()
