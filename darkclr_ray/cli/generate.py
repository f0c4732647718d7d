"""Generate jets: ``darkclr generate --preset starter --out jets``. The same command continues after an interruption."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from darkclr_ray.cli.program import Parser
from darkclr_ray.fs_checks import check_writable
from darkclr_ray.jets.generation.generate import Generation, generate, plan
from darkclr_ray.jets.generation.presets import PRESETS, counts_for
from darkclr_ray.jets.generation.samples import NAMED, format_validation_error
from darkclr_ray.jets.shards import SPLITS
from darkclr_ray.runtime.cluster import address_of, check_reachable
from darkclr_ray.runtime.generation import on_ray


def main(arguments: Sequence[str], program: str) -> int:
    """Generate jets as the arguments specify and return 0; raise ValueError or ImportError if that is not possible."""
    args = parser(program).read(arguments)
    if args.workers is not None and args.workers < 1:
        raise ValueError(f"--workers {args.workers}: expected 1 or more")
    twice = [name for name, times in Counter(args.samples or ()).items() if times > 1]
    if twice:
        raise ValueError(f"--samples: {twice[0]!r} is named twice; name it once")
    sizes = counts(args.jets_per_sample) if args.jets_per_sample else None
    tasks = plan(counts_for(args.preset, args.samples, sizes), generation(args.seed, args.vary))
    check_writable(args.out, "--out")
    address = address_of(args.address)
    if address:
        check_reachable(address)
    on_cores = partial(on_ray, workers=args.workers, address=address)
    made = generate(tasks, args.out, None if args.workers == 1 and address is None else on_cores)
    print(f"{len(made)} new shards; jets are in {args.out.resolve()}")
    return 0


def parser(program: str) -> Parser:
    """Return the argument parser. Pythia, FastJet and Ray are imported only after the arguments are validated."""
    line = Parser(prog=program, description=(__doc__ or "").replace("`", ""))
    line.add_argument(
        "--out", type=Path, default=Path("jets"), help="folder of the jets, shared by all nodes (%(default)s)"
    )
    line.add_argument(
        "--preset",
        choices=PRESETS,
        default="starter",
        help="33,000 jets, or the paper's 410,000; to stand beside them: a grid of signals over r_inv and meson mass, "
        "or variants of the background for systematics (%(default)s)",
    )
    line.add_argument(
        "--samples",
        nargs="+",
        metavar="SAMPLE",
        help=f"only these: {', '.join(NAMED)}, or any point, such as rinv_0.3_mass_12 (GeV) or "
        "dark:rinv=0.3,pion=8,rho=8,lambda=8; or a variant of the background, such as qcd_gluons",
    )
    line.add_argument(
        "--jets-per-sample",
        nargs="+",
        metavar="SPLIT=N",
        help=f"instead of the preset's sizes, for splits of {', '.join(SPLITS)}: validation=500 test=1500",
    )
    line.add_argument("--seed", type=int, default=1, help="every shard draws its own from it (%(default)s)")
    line.add_argument(
        "--vary",
        nargs="+",
        default=[],
        metavar="NAME=VALUE",
        help="for systematics: variation.interactions=off variation.final_scale=2 detector.track_efficiency=0.97 ...",
    )
    line.add_argument("--workers", type=int, help="processes; 1 runs without Ray (every core)")
    line.add_argument("--address", help="of a Ray cluster to run on")
    return line


def counts(words: list[str]) -> dict[str, int]:
    """Return numbers of jets by split from arguments such as ``test=1500``.

    Raises ValueError for an argument of another form, and for a split that is named twice.
    """
    found: dict[str, int] = {}
    for text in words:
        split, count = pair(text)
        if split in found or not count.removeprefix("-").isdecimal():
            raise ValueError(f"--jets-per-sample {text}: expected each split once, with a whole number of jets")
        found[split] = int(count)
    return found


def generation(seed: int, vary: list[str]) -> Generation:
    """Return settings from arguments such as ``detector.track_efficiency=0.97``.

    Raises ValueError for an unknown setting, and for a setting that is named twice.
    """
    settings: dict[str, Any] = {"seed": seed}
    for text in vary:
        name, value = pair(text)
        group, _, field = name.partition(".")
        if not field or field in settings.get(group, {}):
            raise ValueError(f"--vary {text}: expected each name once, such as detector.track_efficiency=0.97")
        settings.setdefault(group, {})[field] = value
    try:
        return Generation.model_validate(settings)
    except ValidationError as error:
        raise ValueError(format_validation_error(error)) from None


def pair(text: str) -> tuple[str, str]:
    """Return the name and the value of ``name=value``; raise ValueError if there is no ``=``."""
    name, equals, value = text.partition("=")
    if not equals:
        raise ValueError(f"{text!r}: expected a name and a value, such as test=1500")
    return name, value
