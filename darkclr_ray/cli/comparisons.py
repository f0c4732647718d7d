"""What the command lines of all studies that compare detectors have in common."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from darkclr_ray.cli.options import CommandLine
from darkclr_ray.settings import PRESETS, StudySettings, merged

AGAIN = " Leaves a report whose path is printed last. The same command again continues a study."


def command_line(name: str, description: str, laptop: Mapping[str, Any]) -> CommandLine[StudySettings]:
    """The command line of a study.

    Args:
        name: of the study.
        description: what it does.
        laptop: what its laptop preset has in the group `comparison`, over the common one.
    """
    own: dict[str, dict[str, Any]] = {preset: {"name": name} for preset in PRESETS}
    own["laptop"]["comparison"] = dict(laptop)
    presets = {preset: merged(changes, own[preset]) for preset, changes in PRESETS.items()}
    aliases = {"address": "compute.address"}
    return CommandLine(StudySettings, presets, default="laptop", description=description + AGAIN, aliases=aliases)
