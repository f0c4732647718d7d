"""Command of the study `search_control`: a search and a random search of the same budget, compared on a page."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path

from darkclr_ray.cli.options import CommandLine
from darkclr_ray.presets import PRESETS
from darkclr_ray.settings import StudySettings

COMMAND_LINE = CommandLine(
    StudySettings,
    PRESETS,
    default="laptop",
    description="Run an embedding scan, and beside it NAME-random: the same search with random points. The path of a "
    "page that compares both is printed last. The same command again continues both.",
    aliases={"trials": "search.trials", "objective": "search.objective", "address": "compute.address"},
)


def main(arguments: Sequence[str], program: str) -> int:
    """Run or continue both searches with the given arguments and return the exit status."""
    settings, preset = COMMAND_LINE.read(arguments, program)
    if settings.search.sampler == "random":
        raise ValueError("search.sampler = random: this is the control itself; name another sampler")
    from darkclr_ray.reports import build, control
    from darkclr_ray.study.run import run
    from darkclr_ray.study.scan import EmbeddingScan

    command = [*shlex.split(program), *arguments]
    folders = []
    for one in (settings, random_control(settings)):
        status = run(EmbeddingScan(one, preset, command), build)
        if status:
            return status
        folders.append(Path(one.out) / one.name)
    print(control.build(*folders))
    return 0


def random_control(settings: StudySettings) -> StudySettings:
    """Return the settings of the random search beside a study.

    >>> random_control(StudySettings(name="mine")).name
    'mine-random'
    """
    search = settings.search.model_copy(update={"sampler": "random", "sampler_arguments": {}})
    return settings.model_copy(update={"name": f"{settings.name}-random", "search": search})
