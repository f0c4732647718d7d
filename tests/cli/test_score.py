"""Models from the command line to scores: what is written is what the detectors say, whole or not at all.

What is refused is in tests/bad_input/models.py.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from darkclr_ray.cli import score, train
from darkclr_ray.cli.darkclr import main as darkclr
from darkclr_ray.detectors.models import load_model
from darkclr_ray.jets.folder import open_jets
from darkclr_ray.store.scores import read_scores
from tests.cli.conftest import SIZES, TINY


def test_scores_are_those_of_the_detectors(jets: Path, model: Path, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(score, "AT_ONCE", 70)  # so that parts of a sample are joined, and samples are not
    out = tmp_path / "new" / "scores.parquet"
    assert score.main([str(jets), "--with", str(model), "--out", str(out)], "darkclr score") == 0
    table = read_scores(out)
    opened = open_jets(jets)
    for part in SIZES:
        split, sample = part.split("/")
        for name in ("s_NAE", "s_CLR"):
            expected = load_model(model, name).score(opened.load(split, sample))
            np.testing.assert_allclose(table[split][name][sample], expected, rtol=1e-5)
    notes = json.loads(pq.read_schema(out).metadata[b"darkclr_ray"])
    assert notes["model"] == str(model)
    assert notes["jets"] == {"train/qcd": opened.fingerprint("train", "qcd")}
    assert [path.name for path in out.parent.iterdir()] == [out.name]


@pytest.mark.parametrize("name", ["isolation_forest", "multiplicity"])
def test_a_detector_without_settings_is_trained_scored_and_inspected(jets: Path, tmp_path: Path, name: str) -> None:
    """The model of a detector that depends on no setting has weights and no settings of its own: it was refused."""
    folder, out = tmp_path / "model", tmp_path / "scores.parquet"
    words = [*TINY, "--jets", str(jets), "--detectors", name, "--out", str(folder)]
    assert train.main(words, "darkclr train") == 0
    assert score.main([str(jets), "--with", str(folder), "--out", str(out)], "darkclr score") == 0
    expected = load_model(folder, name).score(open_jets(jets).load("test", "aachen"))
    np.testing.assert_allclose(read_scores(out)["test"][name]["aachen"], expected)
    assert darkclr(["inspect", str(folder)]) == 0


def test_processes_share_the_work(jets: Path, model: Path, tmp_path: Path, monkeypatch) -> None:
    """The scores and their order are those of one process, and what is damaged is named as by one."""
    monkeypatch.setattr(score, "PIECE", 50)
    words = [str(jets), "--with", str(model), "--device", "cpu", "--out"]
    assert score.main([*words, str(tmp_path / "one.parquet")], "darkclr score") == 0
    monkeypatch.setattr(score, "WORTH_PROCESSES", 0)
    assert score.main([*words, str(tmp_path / "two.parquet"), "--processes", "2"], "darkclr score") == 0
    one, two = (pq.read_table(tmp_path / f"{name}.parquet").to_pandas() for name in ("one", "two"))
    key = ["jet_id", "detector"]
    both = one.merge(two, on=key, validate="one_to_one")
    assert len(both) == len(one) == len(two)
    np.testing.assert_allclose(both["score_x"], both["score_y"], rtol=1e-5)
    first = one["detector"][0]
    for table in (one, two):
        assert table[table["detector"] == first]["jet_id"].tolist() == one[one["detector"] == first]["jet_id"].tolist()
    folder = tmp_path / "test"
    shutil.copytree(jets / "test", folder)
    (folder / "qcd" / "shard-00001.parquet").write_bytes((folder / "qcd" / "shard-00000.parquet").read_bytes())
    damage(folder / "qcd" / "shard-00000.parquet")
    with pytest.raises(ValueError, match=r"qcd/shard-00000\.parquet, row group 0, column 'pt'"):
        score.main([str(folder), *words[1:], str(tmp_path / "no.parquet"), "--processes", "2"], "darkclr score")
    assert not (tmp_path / "no.parquet").exists()
    with pytest.raises(ValueError, match="--processes -1: expected a number"):
        score.main([*words, str(tmp_path / "no.parquet"), "--processes", "-1"], "darkclr score")


def test_a_lone_shard_and_one_detector(jets: Path, model: Path, tmp_path: Path) -> None:
    shard = tmp_path / "mine.parquet"
    shutil.copy(jets / "test" / "aachen" / "shard-00000.parquet", shard)
    out = tmp_path / "scores.parquet"
    words = [str(shard), "--with", str(model), "--detectors", "s_CLR", "--device", "cpu", "--out", str(out)]
    assert score.main(words, "darkclr score") == 0
    (split,) = read_scores(out)
    assert split == ""
    assert list(read_scores(out)[""]) == ["s_CLR"]
    ids = open_jets(jets).load("test", "aachen").ids
    assert pq.read_table(out)["jet_id"].to_pylist() == ids.tolist()


def damage(shard: Path) -> None:
    table = pq.read_table(shard)
    pt = np.array(table["pt"]).copy()
    pt[3] = np.nan
    broken = table.set_column(table.schema.get_field_index("pt"), table.schema.field("pt"), [pt])
    pq.write_table(broken, shard)


def test_a_damaged_shard_leaves_no_scores(jets: Path, model: Path, tmp_path: Path) -> None:
    folder = tmp_path / "test"
    shutil.copytree(jets / "test", folder)
    damage(folder / "qcd" / "shard-00000.parquet")
    out = tmp_path / "scores.parquet"
    out.write_text("the scores of before")
    with pytest.raises(ValueError, match=r"qcd/shard-00000\.parquet, row group 0, column 'pt'"):
        score.main([str(folder), "--with", str(model), "--out", str(out)], "darkclr score")
    assert out.read_text() == "the scores of before"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["scores.parquet", "test"]


def test_training_again_replaces_a_model_and_nothing_else(jets: Path, model: Path, tmp_path: Path, capsys) -> None:
    words = [*TINY, "--jets", str(jets)]
    again = tmp_path / "again"
    assert train.main([*words, "--out", str(again)], "darkclr train") == 0
    assert "rejection, matched in pT  aachen" in capsys.readouterr().out
    for path in model.iterdir():
        assert (again / path.name).read_bytes() == path.read_bytes(), path.name  # deterministic
    assert train.main([*words, "--out", str(again), "--detectors", "multiplicity"], "darkclr train") == 0
    assert sorted(path.name for path in again.iterdir()) == ["metrics.json", "model.json"]
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "precious").touch()
    with pytest.raises(ValueError, match="is there already, and is no model"):
        train.main([*words, "--out", str(tmp_path / "full"), "--detectors", "multiplicity"], "darkclr train")
    assert (tmp_path / "full" / "precious").exists()


def test_the_command_of_commands(capsys) -> None:
    assert darkclr(["--help"]) == 0
    assert "inspect" in capsys.readouterr().out
    assert darkclr([]) == 2
    assert darkclr(["--version"]) == 0
    for words, message in (
        (["scroe"], "darkclr: 'scroe': unknown command; did you mean 'score'"),
        (["study", "embeding_scan"], "darkclr study: 'embeding_scan': unknown study; did you mean 'embedding_scan'"),
        (["study", "embedding_scan", "--trials", "0"], "darkclr study embedding_scan: search.trials = 0"),
        (["report", "nowhere"], "darkclr report: nowhere: no such folder"),
    ):
        with pytest.raises(SystemExit) as end:
            darkclr(words)
        assert end.value.code == 2
        assert message in capsys.readouterr().err
