"""Command of the study `method_comparison`: DarkCLR, JetCLR and simpler detectors on the same jets."""

from __future__ import annotations

import shlex
from collections.abc import Sequence

from darkclr_ray.cli.comparisons import command_line

COMMAND_LINE = command_line(
    "method_comparison",
    "Train all detectors on the same jets and score them on the same signals: the methods side by side with the spread "
    "over networks and the error of the test sample, and DarkCLR against JetCLR over embedding dimensions.",
    laptop={"encoder_seeds": 2, "autoencoder_seeds": 1, "d_z": (16, 64, 128)},
)


def main(arguments: Sequence[str], program: str) -> int:
    """Run or continue the study with the given arguments and return its exit status."""
    settings, preset = COMMAND_LINE.read(arguments, program)
    from darkclr_ray.reports import build
    from darkclr_ray.study.method_comparison import MethodComparison
    from darkclr_ray.study.run import run

    return run(MethodComparison(settings, preset, [*shlex.split(program), *arguments]), build)
