"""Measure what classifiers of views learn that transfers: train on some families of views, evaluate on all.

No signal is used. The column "not trained on" leaves out each detector's own families. The settings of
`views_observables` rest on the table that this script prints:

    python studies/views_transfer.py
    python studies/views_transfer.py --detector views_trees --families branch_dropping dropping
"""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table

from darkclr_ray.cli.program import Parser, run_script


def main(words: Sequence[str], program: str) -> int:
    """Fit a detector on each family of views, print a table and return 0; raise ValueError for an unknown family."""
    from darkclr_ray.detectors import registry
    from darkclr_ray.detectors.transfer import evaluation_views, held_out_means, transfer
    from darkclr_ray.jets.folder import open_jets, starter_donors, starter_jets
    from darkclr_ray.jets.packed import TrainingSample
    from darkclr_ray.presets import preset
    from darkclr_ray.training.trainer import Trainer

    line = Parser(prog=program, description=(__doc__ or "").replace("`", ""))
    line.add_argument("--detector", default="views_observables", help="detector with a setting families (%(default)s)")
    line.add_argument(
        "--families",
        nargs="+",
        default=[
            "dropping",
            "branch_dropping",
            "cell_dropping",
            "donor_branches",
            "branch_dropping:3,donor_branches:1",
        ],
        help="transformations, or several with weights, such as branch_dropping:3,donor_branches:1",
    )
    line.add_argument("--draws", type=int, default=2, help="views of each jet and family (%(default)s)")
    line.add_argument("--jets", type=int, default=10_000, help="largest number of training jets (%(default)s)")
    line.add_argument("--seed", type=int, default=1, help="seed of the views (%(default)s)")
    args = line.read(words)

    jets, donors = open_jets(starter_jets()), open_jets(starter_donors()).load("train", "donors")
    training = TrainingSample(jets.load("train", "qcd").take(slice(0, args.jets)))
    background = jets.load("validation", "qcd")
    own = {"draws": args.draws, "donors": "starter"}
    detectors = {
        families: registry.make(
            args.detector,
            preset("laptop").updated({"seed": args.seed, "views_observables": {**own, "families": weights(families)}}),
        )
        for families in args.families
    }
    views = evaluation_views(background, seed=args.seed + 1000, donors=donors)
    found = transfer(detectors, training, views, background, Trainer(threads=1))
    held_out = held_out_means(found, lambda name: weights(name))
    table = Table("trained on", *views, "not trained on", box=None, header_style="bold")
    for name, row in found.items():
        cells = [f"{one.auc:.3f} {one.rejection:.1f}" for one in row.values()]
        table.add_row(name, *cells, f"{held_out[name]:.3f}")
    Console(width=240).print(table)
    print("area, and mean rejection at efficiencies of 0.1 to 0.5; last: mean log rejection over the other families")
    return 0


def weights(words: str) -> dict[str, float]:
    """Return families with their weights from text such as ``branch_dropping:3,donor_branches:1``."""
    parts = [part.partition(":") for part in words.split(",")]
    return {name: float(weight or 1.0) for name, _, weight in parts}


if __name__ == "__main__":
    run_script(main)
