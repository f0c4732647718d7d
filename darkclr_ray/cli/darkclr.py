"""The ``darkclr`` command: the first argument selects the subcommand, which gets the remaining arguments."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence
from importlib.metadata import version

from darkclr_ray.cli.program import cli_errors, plain_warnings
from darkclr_ray.messages import nearest

COMMANDS = {
    "generate": ("darkclr_ray.cli.generate", "make jets with Pythia and FastJet"),
    "import": ("darkclr_ray.cli.import_jets", "bring jets of your own: HDF5, ROOT, HepMC, LHE, Parquet"),
    "study": ("darkclr_ray.cli.study", "run or continue a study, such as embedding_scan"),
    "train": ("darkclr_ray.cli.train", "fit detectors on background jets, without a search: a model"),
    "score": ("darkclr_ray.cli.score", "score jets with a trained model"),
    "export": ("darkclr_ray.cli.export", "a trained model for torch.export or ONNX, without this package"),
    "inspect": ("darkclr_ray.cli.inspect", "what is in this shard, set of jets, study or model"),
    "track": ("darkclr_ray.cli.track", "write a study to TensorBoard, MLflow or Weights & Biases"),
    "report": ("darkclr_ray.cli.report", "build the page of a study again, or compare several studies"),
}
"""Mapping from the name of a subcommand to its module and a one-line description."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the subcommand that the first argument names and return its exit status."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    if not words or words[0] in ("-h", "--help"):
        print(overview())
        return 0 if words else 2
    if words[0] == "--version":
        print(f"darkclr {version('darkclr_ray')}")
        return 0
    name, *rest = words
    plain_warnings()
    with cli_errors(f"darkclr {name}" if name in COMMANDS else "darkclr"):
        if name not in COMMANDS:
            raise ValueError(f"{name!r}: unknown command{nearest(name, COMMANDS)}")
        status: int = importlib.import_module(COMMANDS[name][0]).main(rest, f"darkclr {name}")
        return status


def overview() -> str:
    """Return the text that ``darkclr --help`` prints."""
    commands = "\n".join(f"  {name:10} {what}" for name, (_, what) in COMMANDS.items())
    return (
        "usage: darkclr COMMAND ...\n\nDoes my anomaly detector find dark showers without a signal model?\n\n"
        f"commands:\n{commands}\n\n`darkclr COMMAND --help` explains each of them."
    )
