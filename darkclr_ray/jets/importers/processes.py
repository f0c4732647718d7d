"""Runs one process for each file: files are read side by side, and a reader that crashes ends only its own process."""

from __future__ import annotations

import multiprocessing
import os
import signal
import traceback
import warnings
from collections.abc import Callable, Iterator, Sequence
from multiprocessing.connection import Connection, wait
from pathlib import Path
from types import TracebackType
from typing import Any

from darkclr_ray.jets.importers.portions import Portion, read_portion, write_portion
from darkclr_ray.jets.importers.unselected import CannotImport

AHEAD = 100
"""Files, at most, whose processes were started and whose portions were not all taken: each holds two descriptors."""

_FORK = multiprocessing.get_context("fork")  # what is open and understood here is so there, without a second look


class Readers:
    """Reads files in processes, at most ``processes`` at a time, and returns what they find in the files' order.

    A process writes each portion of its file into ``folder``, and sends the path. So a process is never held up by
    those before it, and memory holds one portion at a time.
    """

    def __init__(
        self, paths: Sequence[Path], streams: Sequence[Callable[[], Iterator[Portion]]], folder: Path, processes: int
    ) -> None:
        """Take for each of ``paths`` what reads it; nothing is started before :meth:`items` is called."""
        self._paths, self._streams, self._folder, self._most = paths, streams, folder, processes
        self._started: dict[int, tuple[Any, Connection]] = {}  # until their items were taken
        self._next = 0

    def __enter__(self) -> Readers:
        self._folder.mkdir(parents=True, exist_ok=True)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for process, _ in self._started.values():
            process.kill()
        for number in list(self._started):
            self._close(number)

    def items(self, number: int) -> Iterator[Portion]:
        """Yield the portions of one file as they are read.

        Raises:
            CannotImport: the process ended without a word; whatever else was raised in it.
        """
        while message := self._next_message(number):
            if isinstance(message, BaseException):
                raise message
            portion = read_portion(message)
            message.unlink()
            yield portion
        self._close(number)

    def _next_message(self, number: int) -> Any:
        while True:
            running = self._start_more()
            connection = self._started[number][1]
            if connection in wait([connection, *(process.sentinel for process in running)]):
                try:
                    return connection.recv()
                except EOFError:
                    raise self._crash(number) from None

    def _start_more(self) -> list[Any]:
        """Start processes for the next files while there is room, and return all that are running."""
        running = [process for process, _ in self._started.values() if process.is_alive()]
        while len(running) < self._most and len(self._started) < AHEAD and self._next < len(self._streams):
            receiver, sender = _FORK.Pipe(duplex=False)
            arguments = (self._streams[self._next], self._folder / f"{self._next}", sender, os.getpid())
            process = _FORK.Process(target=_serve, args=arguments, daemon=True)
            with warnings.catch_warnings():
                # idle threads of libraries: none holds a lock that the process, which reads one file, would need
                warnings.simplefilter("ignore", DeprecationWarning)
                process.start()
            sender.close()
            self._started[self._next] = process, receiver
            self._next += 1
            running.append(process)
        return running

    def _close(self, number: int) -> None:
        process, connection = self._started.pop(number)
        process.join()
        process.close()
        connection.close()

    def _crash(self, number: int) -> CannotImport:
        process, path = self._started[number][0], self._paths[number]
        process.join()
        code = process.exitcode
        how = signal.strsignal(-code) or f"signal {-code}" if code < 0 else f"exit status {code}"
        why = (
            "; was memory short?"
            if code == -signal.SIGKILL
            else ": the file is damaged, or holds something that the library which reads it cannot take. Write it in "
            "another version of its format (HepMC 3 instead of 2), or leave it out"
        )
        return CannotImport(f"{path}: the process that read it crashed ({how}){why}. Nothing was imported")


def _serve(stream: Callable[[], Iterator[Portion]], stem: Path, sender: Connection, parent: int) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent hears it, too, and ends this process
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    try:
        for number, portion in enumerate(stream()):
            if os.getppid() != parent:
                return
            path = stem.with_name(f"{stem.name}-{number}.npz")
            write_portion(path, portion)
            sender.send(path)
        sender.send(None)
    except Exception as error:
        error.add_note(traceback.format_exc())
        sender.send(error)
