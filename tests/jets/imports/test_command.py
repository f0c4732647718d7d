"""The command line, as a user types it."""

import subprocess
import sys
from pathlib import Path

import h5py
import pytest

from darkclr_ray.jets.folder import open_jets
from darkclr_ray.jets.imports.command import main, make_parser, options_from

STUDY = Path(__file__).parents[3] / "studies" / "import_jets.py"


@pytest.fixture
def path(truth, tmp_path: Path) -> Path:
    parts = truth.constituents()
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["jets"] = truth.padded([parts.px, parts.py, parts.pz, parts.E])
    return tmp_path / "a.h5"


def test_words_become_options() -> None:
    line = (
        "a.h5 --labels 0=qcd,1=top --split train=0.5,test=0.5 --columns pt=a.b eta=c phi=d --order eta,phi,pt,_ "
        "--unit MeV --pt-min 500 --pt-max 700 --eta-max 2.5 --match none --seed 3"
    )
    options = options_from(make_parser().parse_args(line.split()))
    assert options.labels == {"0": "qcd", "1": "top"}
    assert options.splits == {"train": 0.5, "test": 0.5}
    assert options.columns == {"pt": "a.b", "eta": "c", "phi": "d"}
    assert options.order == ("eta", "phi", "pt", "_")
    assert (options.unit, options.match, options.seed) == ("MeV", "none", 3)
    assert (options.selection.pt_min, options.selection.pt_max, options.selection.eta_max) == (500, 700, 2.5)
    assert options_from(make_parser().parse_args(["a", "--split", "test"])).splits == {"test": 1.0}


def test_the_study(path: Path, tmp_path: Path) -> None:
    command = [
        sys.executable,
        str(STUDY),
        str(path),
        "--sample",
        "mine",
        "--split",
        "test",
        "--out",
        str(tmp_path / "o"),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stderr == ""
    assert "40 jets imported; they are in" in done.stdout
    assert len(open_jets(tmp_path / "o").load("test", "mine")) == 40


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "^error: .*which sample are these jets"),
        (["--sample", "mine", "--split", "0.5"], "^error: splits .*unknown splits"),
        (["--sample", "../x"], "^error: sample "),
        (["--labels", "0"], "^error: --labels 0: expected NAME=VALUE"),
        (["--sample", "mine", "--pt-min", "-4"], "^error: selection.pt_min"),
    ],
)
def test_one_line_of_explanation(words: list[str], message: str, path: Path, tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match=message) as stop:
        main([str(path), "--out", str(tmp_path / "o"), *words])
    assert "\n" not in str(stop.value)
    assert not (tmp_path / "o").exists()
