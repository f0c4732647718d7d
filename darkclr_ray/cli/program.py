"""How a program of ours reads its words, and how it says what cannot be: one message, exit status 2."""

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
    """Turn what a user can mend into one message on stderr, after the program's name, and exit status 2.

    That is a ValueError, a fault of the file system, or an ImportError that says which extra to install.
    """
    try:
        yield
    except (ValueError, OSError, ImportError) as error:
        if isinstance(error, ImportError) and error.name is not None:
            raise  # a module that should be there is not: a fault of ours
        refuse(os_error_message(error) if isinstance(error, OSError) else str(error), program)
    except KeyboardInterrupt:
        print(f"{program or script_name()}: interrupted", file=sys.stderr)
        sys.exit(INTERRUPTED)


def refuse(message: str, program: str = "") -> NoReturn:
    """Say what cannot be, and end the process with status 2."""
    print(f"{program or script_name()}: {message}", file=sys.stderr)
    sys.exit(REFUSED)


def script_name() -> str:
    """The name of the script that this process runs."""
    return Path(sys.argv[0]).name


def run_script(main: Callable[[Sequence[str], str], int]) -> NoReturn:
    """Run a command of `darkclr_ray.cli` as a script of its own, and end the process with its exit status."""
    plain_warnings()
    with cli_errors():
        sys.exit(main(sys.argv[1:], f"python {shlex.quote(sys.argv[0])}"))


def plain_warnings() -> None:
    """From now on show a warning as one line, without the code that gave it."""

    def show(message: Warning | str, *_: Any) -> None:
        print(f"{script_name()}: warning: {message}", file=sys.stderr)

    warnings.showwarning = show  # type: ignore[assignment]


class Parser(argparse.ArgumentParser):
    """A parser that knows no abbreviations, and raises ValueError for what it does not understand."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**{"allow_abbrev": False, "formatter_class": _Help, **options})

    def read(self, arguments: Sequence[str]) -> argparse.Namespace:
        """The arguments by name; ends the process after ``--help``. Raises ValueError, with the nearest option."""
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
