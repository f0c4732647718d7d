"""Redirection of the output of Ray and other libraries to files."""

from __future__ import annotations

import contextlib
import io
import logging
import os
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path


@contextlib.contextmanager
def capture_stderr() -> Iterator[Callable[[], str]]:
    """Redirect the process's stderr, to which Ray's C++ writes; yield a function that returns the text so far."""
    with tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as file:
        screen = os.dup(2)
        os.dup2(file.fileno(), 2)

        def text_so_far() -> str:
            file.seek(0)
            return file.read()

        try:
            yield text_so_far
        finally:
            os.dup2(screen, 2)
            os.close(screen)


class LossyLog(io.TextIOWrapper):
    """Text stream that drops writes which fail with OSError."""

    def write(self, text: str, /) -> int:
        with contextlib.suppress(OSError):
            super().write(text)
        return len(text)


@contextlib.contextmanager
def redirect_output(path: Path) -> Iterator[None]:
    """Redirect output, warnings and logs of libraries in this process to a file; a final error is logged, too."""
    with LossyLog(open(path, "ab", buffering=0), encoding="utf-8", write_through=True) as file:
        handler = logging.StreamHandler(file)
        handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
        logging.captureWarnings(True)
        loggers = [logging.getLogger(name) for name in ("ray", "ray.data", "ray.train", "ray.tune", "py.warnings")]
        before = [(logger, logger.handlers, logger.propagate) for logger in loggers]
        for logger in loggers:
            logger.handlers, logger.propagate = [handler], False
        own = logging.getLogger("darkclr_ray")
        own.setLevel(logging.INFO)
        own.addHandler(handler)
        try:
            with contextlib.redirect_stdout(file), contextlib.redirect_stderr(file):
                yield
        except Exception:
            own.exception("ended by an error")
            raise
        finally:
            own.removeHandler(handler)
            for logger, handlers, propagate in before:
                logger.handlers, logger.propagate = handlers, propagate
            logging.captureWarnings(False)
