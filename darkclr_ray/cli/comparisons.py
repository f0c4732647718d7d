"""Command line that all studies share which compare detectors."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from darkclr_ray.cli.options import CommandLine
from darkclr_ray.presets import PRESETS
from darkclr_ray.settings import StudySettings, merged

AGAIN = " Leaves a report whose path is printed last. The same command again continues a study."


def command_line(name: str, description: str, laptop: Mapping[str, Any]) -> CommandLine[StudySettings]:
    """Return the command line of a study that compares detectors.

    Args:
        name: name of the study.
        description: sentence for ``--help`` that describes the study.
        laptop: changes of its laptop preset in the settings group `comparison`.
    """
    own: dict[str, dict[str, Any]] = {preset: {"name": name} for preset in PRESETS}
    own["laptop"]["comparison"] = dict(laptop)
    presets = {preset: merged(changes, own[preset]) for preset, changes in PRESETS.items()}
    aliases = {"address": "compute.address"}
    return CommandLine(StudySettings, presets, default="laptop", description=description + AGAIN, aliases=aliases)
