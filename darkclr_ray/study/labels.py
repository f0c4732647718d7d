"""Names of detectors and samples in tables and text, and their order."""

from __future__ import annotations

import re

from darkclr_ray.study.records import (
    RunRecord,
)


def detector_name(label: str, score: str) -> str:
    """Return the name of a score of a scan's reference, beside the scores of the best trial.

    >>> detector_name("", "s_NAE"), detector_name("untrained", "s_NAE"), detector_name("multiplicity", "multiplicity")
    ('s_NAE', 'untrained s_NAE', 'multiplicity')
    """
    return score if label in ("", score) else f"{label} {score}"


def raw_name(detector: str, run: RunRecord) -> str:
    """Return the name of a detector in the files of a run's stages; `detector_name` is its inverse for references."""
    return detector if run.detectors else detector.removeprefix(f"{run.label} ")


def background_label(name: str) -> str:
    """Return the name of the background as it is written in text."""
    return "QCD" if name == "qcd" else name


def is_grid(name: str) -> bool:
    """Return whether the name of a signal is that of a point of the grid over r_inv and meson mass.

    >>> is_grid("rinv_0.3_mass_12"), is_grid("rinv_0.5")
    (True, False)
    """
    return re.fullmatch(r"rinv_[\d.]+_mass_[\d.]+", name) is not None


def natural(name: str) -> list[tuple[int, str]]:
    """Return a sort key that orders numbers within names by value, so that the network of the lowest seed is first.

    >>> sorted(["e10", "e8-a2", "e8-a16"], key=natural)
    ['e8-a2', 'e8-a16', 'e10']
    """
    return [(int(part), "") if part.isdigit() else (0, part) for part in re.split(r"(\d+)", name)]
