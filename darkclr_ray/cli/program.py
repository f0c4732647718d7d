"""Argument parsing and error reporting of all commands: an error is one message on stderr and exit status 2."""

from __future__ import annotations

import argparse
import shlex
import sys
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NoReturn

from darkclr_ray.exit_status import INTERRUPTED, REFUSED
from darkclr_ray.messages import nearest, os_error_message


@contextmanager
def cli_errors(program: str = "") -> Iterator[None]:
    """Report errors that the user can correct as one message on stderr, and end the process with exit status 2.

    These errors are ValueError, OSError, and an ImportError that names the extra to install. The message begins with
    the name of the program.
    """
    try:
        yield
    except (ValueError, OSError, ImportError) as error:
        if isinstance(error, ImportError) and error.name is not None:
            raise  # a required module is missing: a defect of the installation or of this package
        refuse(os_error_message(error) if isinstance(error, OSError) else str(error), program)
    except KeyboardInterrupt:
        print(f"{program or script_name()}: interrupted", file=sys.stderr)
        sys.exit(INTERRUPTED)


def refuse(message: str, program: str = "") -> NoReturn:
    """Print an error message and end the process with exit status 2."""
    print(f"{program or script_name()}: {message}", file=sys.stderr)
    sys.exit(REFUSED)


def script_name() -> str:
    """Return the name of the script that this process runs."""
    return Path(sys.argv[0]).name


def run_script(main: Callable[[Sequence[str], str], int]) -> NoReturn:
    """Run a command of `darkclr_ray.cli` as a script and end the process with its exit status."""
    plain_warnings()
    with cli_errors():
        sys.exit(main(sys.argv[1:], f"python {shlex.quote(sys.argv[0])}"))


def plain_warnings() -> None:
    """Make Python print each warning as one line without source code."""

    def show(message: Warning | str, *_: Any) -> None:
        print(f"{script_name()}: warning: {message}", file=sys.stderr)

    warnings.showwarning = show  # type: ignore[assignment]


class Parser(argparse.ArgumentParser):
    """Argument parser that accepts no abbreviated options and raises ValueError for invalid arguments."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**{"allow_abbrev": False, "formatter_class": _Help, **options})

    def read(self, arguments: Sequence[str]) -> argparse.Namespace:
        """Return the parsed arguments; ``--help`` ends the process.

        Raises ValueError for an unknown argument; the message suggests the most similar option.
        """
        known, unknown = self.parse_known_args(arguments)
        for word in unknown:
            if not word.startswith("-"):
                raise ValueError(f"{word!r}: unexpected; --help says what is expected")
            options = [text for action in self._actions for text in action.option_strings if text.startswith("--")]
            raise ValueError(f"{word}: unknown option{nearest(word, options)}")
        return known

    def error(self, message: str) -> NoReturn:
        raise ValueError(message.removeprefix("argument "))


class _Help(argparse.HelpFormatter):
    def __init__(self, prog: str) -> None:
        super().__init__(prog, max_help_position=30, width=110)
