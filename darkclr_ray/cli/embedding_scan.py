"""Command of the study `embedding_scan`: DarkCLR's rejection against embedding dimension, p_drop and step size."""

from __future__ import annotations

import shlex
from collections.abc import Sequence

from darkclr_ray.cli.options import CommandLine
from darkclr_ray.presets import PRESETS
from darkclr_ray.settings import StudySettings

COMMAND_LINE = CommandLine(
    StudySettings,
    PRESETS,
    default="laptop",
    description="Train DarkCLR on background jets, search embedding dimension, p_drop and Langevin step size over all "
    "signals, and leave a report whose path is printed last. The same command again continues a study.",
    aliases={"trials": "search.trials", "objective": "search.objective", "address": "compute.address"},
)


def main(arguments: Sequence[str], program: str) -> int:
    """Run or continue the study with the given arguments and return its exit status."""
    settings, preset = COMMAND_LINE.read(arguments, program)
    from darkclr_ray.reports import build
    from darkclr_ray.study.run import run
    from darkclr_ray.study.scan import EmbeddingScan

    return run(EmbeddingScan(settings, preset, [*shlex.split(program), *arguments]), build)
