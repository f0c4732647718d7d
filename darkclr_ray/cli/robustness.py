"""Command of the study `robustness`: performance of each detector as the dark sector's parameters change."""

from __future__ import annotations

import shlex
from collections.abc import Sequence

from darkclr_ray.cli.comparisons import command_line

COMMAND_LINE = command_line(
    "robustness",
    "Train DarkCLR without labels and classifiers with labels of one signal, and score them on all signals, those of "
    "further folders included; then contamination, sculpting, stability and systematics.",
    laptop={"encoder_seeds": 5, "autoencoder_seeds": 2},
)


def main(arguments: Sequence[str], program: str) -> int:
    """Run or continue the study with the given arguments and return its exit status."""
    settings, preset = COMMAND_LINE.read(arguments, program)
    from darkclr_ray.reports import build
    from darkclr_ray.study.robustness import Robustness
    from darkclr_ray.study.run import run

    return run(Robustness(settings, preset, [*shlex.split(program), *arguments]), build)
