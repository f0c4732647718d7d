"""How does DarkCLR's background rejection depend on embedding dimension, p_drop and Langevin step size?"""

from __future__ import annotations

import sys

from darkclr_ray.command_line import CommandLine, refusals
from darkclr_ray.settings import PRESETS, StudySettings

COMMAND_LINE = CommandLine(
    StudySettings,
    PRESETS,
    default="laptop",
    description="Train DarkCLR on background jets, search embedding dimension, p_drop and Langevin step size over all "
    "signals, and leave a report whose path is printed last. The same command again continues a study.",
    aliases={"trials": "search.trials", "objective": "search.objective", "address": "compute.address"},
)


def main() -> int:
    """Run the study that the command line asks for."""
    with refusals():
        settings, preset = COMMAND_LINE.read(sys.argv[1:])
    from darkclr_ray.study.run import run

    with refusals():
        return run(settings, preset, ["python", *sys.argv])


if __name__ == "__main__":
    sys.exit(main())
