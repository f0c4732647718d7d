"""The command line, as a user types it."""

import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest

from darkclr_ray.cli.import_jets import main, make_parser, options_from
from darkclr_ray.jets.folder import open_jets

STUDY = Path(__file__).parents[2] / "studies" / "import_jets.py"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """40 jets of twelve massless constituents, as px, py, pz, E in GeV."""
    random = np.random.default_rng(3)
    eta, phi = (random.uniform(-low, low, (40, 1)) + random.normal(0, 0.05, (40, 12)) for low in (1.5, np.pi))
    pt = 210 * random.dirichlet(np.ones(12), 40) + 0.5
    momenta = np.stack([pt * np.cos(phi), pt * np.sin(phi), pt * np.sinh(eta), pt * np.cosh(eta)], axis=2)
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["jets"] = momenta
    return tmp_path / "a.h5"


def test_words_become_options() -> None:
    line = (
        "a.h5 --labels 0=qcd,1=top --split train=0.5,test=0.5 --columns pt=a.b eta=c phi=d --order eta,phi,pt,_ "
        "--unit MeV --pt-min 500 --pt-max 700 --eta-max 2.5 --match none --seed 3"
    )
    options = options_from(make_parser("import").read(line.split()))
    assert options.labels == {"0": "qcd", "1": "top"}
    assert options.splits == {"train": 0.5, "test": 0.5}
    assert options.columns == {"pt": "a.b", "eta": "c", "phi": "d"}
    assert options.order == ("eta", "phi", "pt", "_")
    assert (options.unit, options.match, options.seed) == ("MeV", "none", 3)
    assert (options.selection.pt_min, options.selection.pt_max, options.selection.eta_max) == (500, 700, 2.5)
    assert options_from(make_parser("import").read(["a", "--split", "test"])).splits == {"test": 1.0}


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
        ([], "which sample are these jets"),
        (["--sample", "mine", "--split", "0.5"], "^splits: .*unknown splits"),
        (["--sample", "../x"], "^sample: "),
        (["--labels", "0"], "^--labels 0: expected NAME=VALUE"),
        (["--sample", "mine", "--pt-min", "-4"], "^selection.pt_min: "),
        (["--sampel", "mine"], "^--sampel: unknown option; did you mean '--sample'"),
        (["--sample", "mine", "--unit", "TeV"], "--unit: invalid choice: 'TeV'"),
    ],
)
def test_one_line_of_explanation(words: list[str], message: str, path: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=message) as refusal:
        main([str(path), "--out", str(tmp_path / "o"), *words], "darkclr import")
    assert "\n" not in str(refusal.value)
    assert not (tmp_path / "o").exists()
