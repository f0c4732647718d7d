"""The ``darkclr`` command: the first word says which command, everything after it is that command's."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence
from importlib.metadata import version

from darkclr_ray.command_line.program import plain_warnings, refusals
from darkclr_ray.command_line.words import nearest

COMMANDS = {
    "generate": ("darkclr_ray.commands.generate", "make jets with Pythia and FastJet"),
    "import": ("darkclr_ray.commands.import_jets", "bring jets of your own: HDF5, ROOT, HepMC, LHE, Parquet"),
    "study": ("darkclr_ray.commands.study", "run or continue a study, such as embedding_scan"),
    "train": ("darkclr_ray.commands.train", "fit detectors on background jets, without a search: a model"),
    "score": ("darkclr_ray.commands.score", "score jets with a trained model"),
    "export": ("darkclr_ray.commands.export", "a trained model for torch.export or ONNX, without this package"),
    "inspect": ("darkclr_ray.commands.inspect", "what is in this shard, set of jets, study or model"),
    "report": ("darkclr_ray.commands.report", "build the page of a study again"),
}
"""Name -> module with the command, and one line on it."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command that the first argument names; its exit status."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    if not words or words[0] in ("-h", "--help"):
        print(overview())
        return 0 if words else 2
    if words[0] == "--version":
        print(f"darkclr {version('darkclr_ray')}")
        return 0
    name, *rest = words
    plain_warnings()
    with refusals(f"darkclr {name}" if name in COMMANDS else "darkclr"):
        if name not in COMMANDS:
            raise ValueError(f"{name!r}: unknown command{nearest(name, COMMANDS)}")
        status: int = importlib.import_module(COMMANDS[name][0]).main(rest, f"darkclr {name}")
        return status


def overview() -> str:
    """What ``darkclr --help`` shows."""
    commands = "\n".join(f"  {name:10} {what}" for name, (_, what) in COMMANDS.items())
    return (
        "usage: darkclr COMMAND ...\n\nDoes my anomaly detector find dark showers that nobody told it about?\n\n"
        f"commands:\n{commands}\n\n`darkclr COMMAND --help` explains each of them."
    )
