"""Writing a study to experiment trackers while it runs, in a process of its own that cannot affect the study."""

from __future__ import annotations

import select
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType

from darkclr_ray.study.trackers import base

POLL_SECONDS = 2.0
"""Interval in seconds between two looks at a study's folder."""

LAST_SECONDS = 60.0
"""Seconds after the end of a study in which its trackers write what is left."""


def write_study(study: Path, target: str) -> int:
    """Write all trials of a study that have ended, and its page, to a tracker; return the number of trials.

    What is there already is not written again.
    """
    tracker, count = base.make(target, study), 0
    for trial in base.trials(study):
        tracker.write(trial)
        count += 1
    page = study / "report" / "index.html"
    if page.is_file():
        tracker.write_page(page)
    tracker.close()
    return count


def follow(study: Path, target: str) -> None:
    """Write the trials of a study as they end, until standard input is closed; then write all, and the page."""
    tracker = None
    ended = False
    written: dict[str, str] = {}
    while not ended:
        ended = bool(select.select([sys.stdin], [], [], POLL_SECONDS)[0])
        if not (study / "settings.yaml").is_file():
            continue
        try:
            tracker = tracker or base.make(target, study)
            for trial in base.trials(study):
                if written.get(trial.name) != trial.digest:
                    tracker.write(trial)
                    written[trial.name] = trial.digest
        except Exception as error:  # of any library, at any time: the next round tries again
            print(f"{target}: {type(error).__name__}: {error}", flush=True)
            time.sleep(POLL_SECONDS)
    write_study(study, target)


class Followers:
    """Processes that write a study to its trackers while it runs; whatever happens to them, the study goes on.

    Args:
        study: folder of the study.
        targets: see `darkclr_ray.study.trackers.base.make`.
        say: prints a line on what could not be written.
    """

    def __init__(self, study: Path, targets: Sequence[str], say: Callable[[str], object]) -> None:
        self.study, self.targets, self.say = study, targets, say
        self.processes: dict[str, subprocess.Popen[bytes]] = {}

    def __enter__(self) -> Followers:
        for number, target in enumerate(self.targets):
            log = self.study / "logs" / f"tracking-{number}.log"
            log.parent.mkdir(parents=True, exist_ok=True)
            with log.open("ab") as output:
                self.processes[target] = subprocess.Popen(
                    [sys.executable, "-m", __name__, str(self.study.resolve()), target],
                    stdin=subprocess.PIPE,
                    stdout=output,
                    stderr=output,
                    start_new_session=True,  # Ctrl-C is for the study
                )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for process in self.processes.values():
            assert process.stdin is not None
            with suppress(OSError):
                process.stdin.close()
        end = time.monotonic() + LAST_SECONDS
        for target, process in self.processes.items():
            try:
                written = process.wait(max(0.0, end - time.monotonic())) == 0
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
                written = False
            if not written:
                self.say(
                    f"{target}: could not be written, {self.study / 'logs'}/tracking-*.log says why; the study is "
                    f"complete without. To write it later: darkclr track {self.study} --to {target}"
                )


if __name__ == "__main__":
    follow(Path(sys.argv[1]), sys.argv[2])
