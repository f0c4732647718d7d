"""Import your own jets: ``darkclr import qcd_constit.h5 --sample qcd --out jets``.

The format of a file is detected; an error message names each option that its content leaves open.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from darkclr_ray.cli.program import Parser
from darkclr_ray.fs_checks import check_writable
from darkclr_ray.jets.generation.samples import format_validation_error
from darkclr_ray.jets.importers.detect_format import FORMATS
from darkclr_ray.jets.importers.importing import import_jets
from darkclr_ray.jets.importers.options import ImportOptions

_WINDOW = ("radius", "pt_min", "pt_max", "eta_max", "match_radius")


def main(arguments: Sequence[str], program: str) -> int:
    """Import jets as the arguments specify and return 0; raise ValueError or ImportError if that is not possible."""
    words = make_parser(program).read(arguments)
    try:
        options = options_from(words)
    except ValidationError as error:
        raise ValueError(format_validation_error(error)) from None
    check_writable(words.out, "--out")
    summary = import_jets(words.files, words.out, options, processes=words.processes)
    print(f"{summary.kept} jets imported; they are in {words.out.resolve()}")
    return 0


def options_from(words: argparse.Namespace) -> ImportOptions:
    """Return the import options of parsed arguments; raise ValueError (also pydantic's) for invalid ones."""
    given: dict[str, Any] = {
        name: getattr(words, name)
        for name in ("sample", "format", "unit", "dataset", "angles", "match", "shower", "seed")
        if getattr(words, name) is not None
    }
    if words.labels:
        given["labels"] = pairs("--labels", words.labels.split(","))
    if words.columns:
        given["columns"] = pairs("--columns", words.columns)
    if words.order:
        given["order"] = tuple(words.order.split(","))
    if words.split:
        shares = {words.split: "1"} if "=" not in words.split else pairs("--split", words.split.split(","))
        given["splits"] = {name: number(f"--split {name}={share}", share) for name, share in shares.items()}
    if words.invisible:
        given["invisible"] = words.invisible.split(",")
    window = {name: getattr(words, name) for name in _WINDOW if getattr(words, name) is not None}
    return ImportOptions.model_validate(given | {"selection": window})


def pairs(flag: str, words: Sequence[str]) -> dict[str, str]:
    """Return ``name=value`` arguments as a dictionary; raise ValueError for another form or a repeated name.

    >>> pairs("--columns", ["pt=jet.pt", "eta=jet.eta"])
    {'pt': 'jet.pt', 'eta': 'jet.eta'}
    """
    found: dict[str, str] = {}
    for word in words:
        name, equals, value = word.partition("=")
        if not (name and equals and value) or name in found:
            raise ValueError(f"{flag} {word}: expected NAME=VALUE, each name once")
        found[name] = value
    return found


def number(where: str, text: str) -> float:
    """Return the number that a text represents; raise ValueError, naming ``where`` it was given, if it is none."""
    try:
        return float(text)
    except ValueError:
        raise ValueError(f"{where}: expected a number, as in train=0.8,validation=0.1,test=0.1") from None


def make_parser(program: str) -> Parser:
    """Return the argument parser with all options and their defaults."""
    formats = "\n".join(f"  {name:12} {what}" for name, what in FORMATS.items())
    parser = Parser(
        prog=program,
        description="Other people's jets into checked shards: <out>/<split>/<sample>/shard-00000.parquet.",
        epilog=f"formats, recognised by content:\n{formats}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("files", nargs="+", type=Path, help="files to read, all with the same options")
    parser.add_argument("--out", type=Path, default=Path("jets"), help="folder of the shards (default: jets)")
    parser.add_argument("--sample", help="name of the sample that all jets belong to")
    parser.add_argument(
        "--labels", metavar="VALUE=SAMPLE,...", help="sample for each value of the label; * for all others"
    )
    parser.add_argument("--split", help="one split, or shares by event (default: train=0.8,validation=0.1,test=0.1)")
    parser.add_argument("--format", choices=list(FORMATS), help="instead of recognising it")
    parser.add_argument(
        "--unit",
        choices=["GeV", "MeV", "jet_pt"],
        help="of momenta (default: what the file says, else GeV); jet_pt: of constituents, the pT of their jet",
    )
    parser.add_argument("--dataset", metavar="NAME", help="which table, array or tree of a file with several")
    parser.add_argument(
        "--columns",
        nargs="+",
        metavar="NAME=COLUMN",
        help="where to find pt, eta, phi, mass, E, px, py, pz of constituents, jet_pt, jet_eta, jet_phi, jet_mass, "
        "jet_E, label, event",
    )
    parser.add_argument(
        "--order", metavar="NAME,...", help="the numbers of a constituent in an array without names; _ to skip one"
    )
    parser.add_argument(
        "--angles", choices=["absolute", "relative"], help="whether eta and phi count from the jet axis"
    )
    parser.add_argument(
        "--match", choices=["partons", "none"], help="events: keep jets near a hard parton (default), or all"
    )
    parser.add_argument(
        "--shower", metavar="SAMPLE", help="LHE: whose dark sector showers dark quarks (aachen, dark:rinv=0.3)"
    )
    parser.add_argument(
        "--invisible",
        metavar="ID,...",
        help="LHE, HepMC: PDG numbers of further invisible particles",
    )
    parser.add_argument("--seed", type=int, help="of shower and detector, for LHE and HepMC (default: 1)")
    parser.add_argument("--processes", type=int, help="files read at a time (default: one for each core)")
    window = parser.add_argument_group("selection (defaults are the paper's)")
    window.add_argument("--pt-min", type=float, metavar="GEV", help="lower end of the jets' pT (150)")
    window.add_argument("--pt-max", type=float, metavar="GEV", help="upper end of the jets' pT (300)")
    window.add_argument("--eta-max", type=float, help="largest |eta| of a jet (2)")
    window.add_argument("--radius", type=float, help="events: R of anti-kT (0.8)")
    window.add_argument("--match-radius", type=float, help="events: largest distance to a parton (0.8)")
    return parser
