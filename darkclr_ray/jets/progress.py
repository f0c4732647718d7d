"""Progress of a generation: a bar with the time left on a terminal, plain lines elsewhere."""

from __future__ import annotations

import time
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.progress import Progress as Bar


class Progress:
    """Counts jets; those that were there before (``done``) do not count for the speed."""

    def __init__(self, total: int, done: int = 0, console: Console | None = None) -> None:
        self._console = console or Console()
        self._total, self._before, self._done = total, done, done
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("jets"))
        self._bar = Bar(*columns, TimeElapsedColumn(), TextColumn("left"), TimeRemainingColumn(), console=self._console)

    def __enter__(self) -> Progress:
        self._start = time.monotonic()
        if self._console.is_terminal:
            self._bar.start()
            self._task = self._bar.add_task("generating", total=self._total, completed=self._done)
        elif self._before:
            self._console.print(f"{self._before} of {self._total} jets are there already")
        return self

    def advance(self, jets: int, what: str) -> None:
        """``jets`` more are finished."""
        self._done += jets
        if self._console.is_terminal:
            self._bar.update(self._task, completed=self._done, description=what)
            return
        elapsed = time.monotonic() - self._start
        left = elapsed * (self._total - self._done) / (self._done - self._before)
        self._console.print(
            f"{self._done} of {self._total} jets, {what}, about {left / 60:.0f} min left",
            soft_wrap=True,
            highlight=False,
        )

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._console.is_terminal:
            self._bar.stop()
