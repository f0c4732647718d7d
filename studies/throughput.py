"""Measure the speed of each stage on this machine against a reference implementation and the limits of the hardware."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from pathlib import Path

import torch
from rich.console import Console

from darkclr_ray.benchmarks import timing as interleaved
from darkclr_ray.benchmarks.hardware import describe
from darkclr_ray.benchmarks.result import notes, short, table
from darkclr_ray.benchmarks.stages import QUICK, STAGES, measure
from darkclr_ray.cli.program import Parser, run_script


def main(words: Sequence[str], program: str) -> int:
    """Measure the selected stages, print a table and return 0; raise ValueError for an unknown stage or option."""
    line = Parser(prog=program, description=__doc__)
    line.add_argument(
        "--stages", default=",".join(QUICK), help=f"some of {', '.join(STAGES)}, with commas (%(default)s)"
    )
    line.add_argument("--repetitions", type=int, default=3, help="rounds in which all ways take turns (%(default)s)")
    line.add_argument("--threads", type=int, help="of torch (what torch takes by itself)")
    line.add_argument(
        "--busy",
        action="store_true",
        help="for a busy machine: one thread, and seconds of processor time where one process does the work",
    )
    line.add_argument("--json", type=Path, metavar="FILE", help="write the numbers there, too")
    arguments = line.read(words)
    if arguments.busy:
        interleaved.clock = time.process_time
    if arguments.threads or arguments.busy:
        torch.set_num_threads(arguments.threads or 1)
    console, progress = Console(width=max(150, Console().width)), Console(stderr=True)
    machine, rows = describe() | {"clock": "processor time" if arguments.busy else "wall"}, []
    for row in measure(arguments.stages.split(","), arguments.repetitions):
        rows.append(row)
        progress.print(f"{row.stage}: {row.case}: {short(row.ours)} {row.unit}", highlight=False)
    console.print(table(rows))
    for number, note in enumerate(notes(rows), 1):
        console.print(f"{number}  {note}", highlight=False)
    for name, value in machine.items():
        console.print(f"{name}: {value}", highlight=False)
    if arguments.json is not None:
        content = {"machine": machine, "rows": [row.to_json() for row in rows]}
        arguments.json.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    run_script(main)
