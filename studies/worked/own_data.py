"""Worked study: jets of one's own, from somebody's file to scores.

    python studies/worked/own_data.py --folder my_jets

A collaboration hands out two HDF5 files, one array each: jets x constituents x (E, px, py, pz) in MeV, padded with
zeros. Here such files are made of the jets that ship, so that there is something to compare with: what comes out in the
end must be what the shipped shards say.
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
    """The file of the collaboration: constituents turned back to where the jet was, in MeV."""
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
    """From two files to scores, by commands that could be typed as well."""
    folder.mkdir(parents=True, exist_ok=True)
    starter = open_jets(starter_jets())
    for name in ("qcd", "aachen"):
        write_file(starter.load("test", name).take(np.arange(COUNT)), folder / f"{name}.h5")
    # What is in such a file? The order of the four numbers is found from the numbers; that they are MeV is not written
    # anywhere, and jets of 200 TeV are refused: the unit has to be said.
    darkclr(["inspect", str(folder / "qcd.h5")])
    # One sample a file. Each event goes to one split as a whole; the shares are those of events. What was dropped, and
    # why, is on the screen and in <out>/imports/.
    for name in ("qcd", "aachen"):
        words = ["import", str(folder / f"{name}.h5"), "--sample", name, "--split", "test", "--unit", "MeV"]
        assert darkclr([*words, "--out", str(folder / "jets")]) == 0
    # The jets are shards now, and everything else works on them. A model that was trained elsewhere scores them; a
    # study on them would be `darkclr study embedding_scan --jets my_jets/jets`, given background for training.
    scores = folder / "scores.parquet"
    assert darkclr(["score", str(folder / "jets"), "--with", "pretrained", "--out", str(scores)]) == 0
    # The same jets through the shipped shards: angles went through four-vectors, so the last digits differ.
    detector = load_model("pretrained", "s_NAE")
    for name, mine in read_scores(scores)["test"]["s_NAE"].items():
        theirs = detector.score(starter.load("test", name).take(np.arange(COUNT)))
        print(f"{name}: {len(mine)} of {COUNT} jets kept; median s_NAE {np.median(mine):.4f}, {np.median(theirs):.4f}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--folder", type=Path, default=Path("my_jets"), help="where files go (%(default)s)")
    main(parser.parse_args().folder)
