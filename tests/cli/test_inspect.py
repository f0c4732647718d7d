"""What a path holds, in words, and a study's page built again; what is refused is in tests/bad_input/models.py."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import awkward as ak
import h5py
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import uproot

from darkclr_ray.cli import score
from darkclr_ray.cli.darkclr import main as darkclr
from darkclr_ray.integrity import file_digest
from darkclr_ray.jets.folder import open_jets
from darkclr_ray.store.files import CHECKSUM, write_json
from tests.reports.make_comparison import make_comparison


@pytest.mark.parametrize("what", ["MODEL", "JETS", "JETS/test/qcd", "JETS/test/qcd/shard-00000.parquet"])
def test_inspect(what: str, jets: Path, model: Path, capsys) -> None:
    assert darkclr(["inspect", what.replace("JETS", str(jets)).replace("MODEL", str(model))]) == 0
    text = capsys.readouterr().out
    for word in {
        "MODEL": (
            "a model of s_NAE, s_CLR, views_observables",
            "fitted on train/qcd",
            '"d_z": 6',
            "rejection, matched in pT",
        ),
        "JETS": ("a set of jets", "validation", open_jets(jets).fingerprint("test", "aachen")[:12]),
    }.get(what, ("a shard of 60 jets of 'qcd'", "constituents")):
        assert word in text


def test_a_narrow_terminal_shortens_no_number(capsys, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    assert darkclr(["inspect", "starter"]) == 0
    text = capsys.readouterr().out
    assert all(number in text for number in ("10,000", "4,000", "1,500"))


def test_inspect_scores_and_strangers(jets: Path, model: Path, tmp_path: Path, capsys) -> None:
    out = tmp_path / "scores.parquet"
    score.main([str(jets / "test"), "--with", str(model), "--out", str(out)], "darkclr score")
    darkclr(["inspect", str(out)])
    assert "s_NAE: 100 jets" in capsys.readouterr().out
    (tmp_path / "strange.txt").write_text("nothing that is known")
    for path, words in ((tmp_path / "strange.txt", "no known format"), (tmp_path / "none", "no such file")):
        with pytest.raises(SystemExit) as end:
            darkclr(["inspect", str(path)])
        assert end.value.code == 2
        assert words in capsys.readouterr().err


def test_inspect_a_study(study: Path, model: Path, tmp_path: Path, capsys) -> None:
    finished = tmp_path / "finished"
    shutil.copytree(study, finished)
    shutil.copytree(model, finished / "best")
    assert darkclr(["report", str(finished)]) == 0
    page = finished / "report" / "index.html"
    assert capsys.readouterr().out == f"{page}\n"
    assert page.stat().st_size > 10000
    assert darkclr(["inspect", str(finished)]) == 0
    text = capsys.readouterr().out
    assert "the study 'toy' (embedding_scan), begun 2026-01-01T12:00:00Z" in text
    assert "trials: 4 COMPLETE, 1 PRUNED, 1 FAIL" in text
    records = [json.loads(path.read_text()) for path in sorted(study.glob("trials/*.json"))]
    best = max((one for one in records if one["state"] == "COMPLETE"), key=lambda one: one["objective"])
    point = ", ".join(f"{name} = {value}" for name, value in best["parameters"].items())
    assert f"objective matched: {best['objective']:.4g} of the best trial {best['number']} ({point})" in text
    assert "trial 5: FAIL: Langevin chains ran away <in epoch 3>" in text
    assert "train jets: 10,000 qcd" in text
    assert "command: python studies/embedding_scan.py" in text
    assert "started 2026-01-01T12:00:00Z with darkclr_ray 0.1.0, python 3.11" in text
    assert f"report: {page}" in text
    assert "a model of s_NAE, s_CLR" in text
    assert darkclr(["inspect", str(study)]) == 0
    assert "report:" not in capsys.readouterr().out


def test_inspect_says_which_runs_gave_a_warning_and_what_a_model_was_chosen_by(
    tmp_path: Path, model: Path, capsys
) -> None:
    comparison = make_comparison(tmp_path / "comparison")
    assert darkclr(["inspect", str(comparison)]) == 0
    text = capsys.readouterr().out
    assert "DarkCLR-e2: warning: chains end above the data in energy" in text
    assert "DarkCLR-e9: FAIL: Langevin chains ran away <in epoch 3>" in text
    chosen = Path(shutil.copytree(model, tmp_path / "chosen"))
    metrics = json.loads((chosen / "metrics.json").read_text())
    trial = {"number": 17, "parameters": {"d_z": 32, "p_drop": 0.7}, "objectives": {"matched": 2.85825, "raw": None}}
    (chosen / "metrics.json").write_text(json.dumps(metrics | trial))
    content = json.loads((chosen / "model.json").read_text())
    content["files"]["metrics.json"] = file_digest(chosen / "metrics.json")
    write_json(chosen / "model.json", {name: value for name, value in content.items() if name != CHECKSUM})
    assert darkclr(["inspect", str(chosen)]) == 0
    text = capsys.readouterr().out
    assert "trial 17 of a search: d_z = 32, p_drop = 0.7" in text
    assert "objectives: matched 2.858\n" in text


JETS = 7


def momenta() -> dict[str, np.ndarray]:
    """Of massless constituents in GeV, by component."""
    random = np.random.default_rng(1)
    pt, eta, phi = (random.uniform(*ends, (JETS, 12)) for ends in ((1, 40), (-1, 1), (-3, 3)))
    return {"px": pt * np.cos(phi), "py": pt * np.sin(phi), "pz": pt * np.sinh(eta), "energy": pt * np.cosh(eta)}


def hdf5(path: Path) -> None:
    with h5py.File(path, "w") as file:
        file["kinematics"] = np.stack(list(momenta().values()), axis=2)


def root(path: Path) -> None:
    columns = {f"part_{name}": ak.Array(values.tolist()) for name, values in momenta().items()}
    with uproot.recreate(path) as file:
        kinds = {name: values.type for name, values in columns.items()}
        file.mktree("jets", kinds, counter_name=lambda name: f"n_{name}")
        file["jets"].extend(columns)


def les_houches(path: Path) -> None:
    gluons = "".join(f"21 {code} 0 0 501 502 0.0 0.0 {pz} 200.0 0.0 0 9\n" for code in (-1, 1) for pz in (200, -200))
    event = f"<event>\n4 1 1.0 200.0 0.0078 0.118\n{gluons}</event>\n"
    beams = "<init>\n2212 2212 6500. 6500. 0 0 247000 247000 3 1\n1.0 0.0 1.0 1\n</init>\n"
    path.write_text(f'<LesHouchesEvents version="1.0">\n{beams}{JETS * event}</LesHouchesEvents>\n')


def parquet(path: Path) -> None:
    pq.write_table(pa.table({name: values.tolist() for name, values in momenta().items()}), path)


@pytest.mark.parametrize(
    ("write", "words"),
    [
        (hdf5, ("7 jets in the format hdf5_arrays", "'array': 'kinematics', 'order': ['px', 'py', 'pz', 'E']")),
        (root, ("7 jets in the format jetclass", "'E': 'part_energy'")),
        (les_houches, ("7 events in the format lhe", "'shower': 'standard model'")),
        (parquet, ("Parquet, but no shard of jets", "column 'jet_id' is missing", "--columns")),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_inspect_files_of_others(
    write: Callable[[Path], None], words: tuple[str, ...], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / ("a.parquet" if write is parquet else "a.file")
    write(path)
    assert darkclr(["inspect", str(path)]) == 0
    text = capsys.readouterr().out
    for word in (*words, f"to make shards of it: darkclr import {path}"):
        assert word in text
