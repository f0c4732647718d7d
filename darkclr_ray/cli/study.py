"""Run or continue a study by its name: ``darkclr study embedding_scan --trials 4``."""

from __future__ import annotations

import importlib
from collections.abc import Sequence

from darkclr_ray.cli.program import cli_errors
from darkclr_ray.messages import nearest

STUDIES = {
    "embedding_scan": "darkclr_ray.cli.embedding_scan",
    "search_control": "darkclr_ray.cli.search_control",
    "method_comparison": "darkclr_ray.cli.method_comparison",
    "robustness": "darkclr_ray.cli.robustness",
    "linear_classifier_test": "darkclr_ray.cli.linear_classifier_test",
}
"""Mapping from the name of a study to the module whose ``main(arguments, program)`` runs it. The script of the same
name in ``studies/`` calls the same function."""


def main(arguments: Sequence[str], program: str) -> int:
    """Run the study that the first argument names and return its exit status; raise ValueError for an unknown name."""
    if not arguments or arguments[0] in ("-h", "--help"):
        print(f"usage: {program} NAME ...\n\nstudies: {', '.join(STUDIES)}; `{program} NAME --help` explains each.")
        return 0 if arguments else 2
    name, *rest = arguments
    if name not in STUDIES:
        raise ValueError(f"{name!r}: unknown study{nearest(name, STUDIES)}")
    with cli_errors(f"{program} {name}"):
        status: int = importlib.import_module(STUDIES[name]).main(rest, f"{program} {name}")
        return status
