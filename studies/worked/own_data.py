"""Worked example: jets of your own, from files of another experiment to scores.

    python studies/worked/own_data.py --folder my_jets

Suppose that a collaboration publishes two HDF5 files with one array each: jets x constituents x (E, px, py, pz) in MeV,
padded with zeros. This example writes such files from the jets that ship with the package, so that the final scores can
be compared with those of the shipped shards.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import h5py
import numpy as np

from darkclr_ray.cli.darkclr import main as darkclr
from darkclr_ray.detectors.models import load_model
from darkclr_ray.jets.folder import open_jets, starter_jets
from darkclr_ray.jets.packed import Jets
from darkclr_ray.store.scores import read_scores

COUNT = 400


def write_file(jets: Jets, path: Path) -> None:
    """Write the file of the collaboration: constituents as four-vectors in MeV at the jet's original direction."""
    width = int(jets.multiplicity.max())
    sizes = jets.multiplicity
    pt = 1000.0 * jets.constituents[:, 0].astype(np.float64)
    eta, phi = (jets.constituents[:, i] + np.repeat(jets.kinematics[:, i], sizes).astype(np.float64) for i in (1, 2))
    block = np.zeros((len(jets), width, 4))
    block[np.arange(width) < sizes[:, None]] = np.stack(
        [pt * np.cosh(eta), pt * np.cos(phi), pt * np.sin(phi), pt * np.sinh(eta)], axis=1
    )
    with h5py.File(path, "w") as file:
        file["constituents"] = block


def main(folder: Path) -> None:
    """Write two files, import them, score the jets and print the median scores beside those of the shipped shards."""
    folder.mkdir(parents=True, exist_ok=True)
    starter = open_jets(starter_jets())
    for name in ("qcd", "aachen"):
        write_file(starter.load("test", name).take(np.arange(COUNT)), folder / f"{name}.h5")
    # Inspect a file. The order of the four numbers is detected from their values. The unit MeV is not recorded in the
    # file, and jets of 200 TeV would be rejected, so the unit must be given as an option.
    darkclr(["inspect", str(folder / "qcd.h5")])
    # Import one sample per file. All jets of an event go to the same split; fractions are fractions of events. The
    # screen and <out>/imports/ show which jets were dropped, and why.
    for name in ("qcd", "aachen"):
        words = ["import", str(folder / f"{name}.h5"), "--sample", name, "--split", "test", "--unit", "MeV"]
        assert darkclr([*words, "--out", str(folder / "jets")]) == 0
    # The jets are shards now, which all other commands read. Here the shipped model scores them; with background jets
    # for training, `darkclr study embedding_scan --jets my_jets/jets` would run a study on them.
    scores = folder / "scores.parquet"
    assert darkclr(["score", str(folder / "jets"), "--with", "pretrained", "--out", str(scores)]) == 0
    # Score the same jets from the shipped shards. The last digits differ, since angles were converted to four-vectors.
    detector = load_model("pretrained", "s_NAE")
    for name, mine in read_scores(scores)["test"]["s_NAE"].items():
        theirs = detector.score(starter.load("test", name).take(np.arange(COUNT)))
        print(f"{name}: {len(mine)} of {COUNT} jets kept; median s_NAE {np.median(mine):.4f}, {np.median(theirs):.4f}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--folder", type=Path, default=Path("my_jets"), help="where files go (%(default)s)")
    main(parser.parse_args().folder)
