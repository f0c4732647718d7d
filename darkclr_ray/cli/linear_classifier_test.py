"""Command of the study `linear_classifier_test`: linear classifiers on representations learned without any signal."""

from __future__ import annotations

import shlex
from collections.abc import Sequence

from darkclr_ray.cli.comparisons import command_line

COMMAND_LINE = command_line(
    "linear_classifier_test",
    "Train encoders on background jets, and linear classifiers on their representations of test jets, before and after "
    "the head, and on the constituents themselves (Appendix A).",
    laptop={"encoder_seeds": 2, "d_z": (16, 64, 128)},
)


def main(arguments: Sequence[str], program: str) -> int:
    """Run or continue the study with the given arguments and return its exit status."""
    settings, preset = COMMAND_LINE.read(arguments, program)
    from darkclr_ray.reports import build
    from darkclr_ray.study.linear_test import LinearClassifierStudy
    from darkclr_ray.study.run import run

    return run(LinearClassifierStudy(settings, preset, [*shlex.split(program), *arguments]), build)
