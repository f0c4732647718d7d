"""Several studies on one page: paired ratios against a join of jets by hand, who is ahead, what is refused."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml

from darkclr_ray.cli.darkclr import main as darkclr
from darkclr_ray.evaluation.paired import paired_ratio
from darkclr_ray.store.files import SEAL
from darkclr_ray.study.read_results import read_results
from darkclr_ray.study.versus import read_versus

from .make_study import make_study, seal_study
from .pages import Text, rows


@pytest.fixture(scope="module")
def worse(study_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The study with noise in its scores, without every third jet of each split, and with another seed."""
    folder = tmp_path_factory.mktemp("versus") / "worse"
    shutil.copytree(study_folder, folder, ignore=shutil.ignore_patterns("report"))
    jets = pq.read_table(folder / "jets.parquet")
    kept = jets.filter(pa.array(np.arange(len(jets)) % 3 > 0))
    pq.write_table(kept, folder / "jets.parquet")
    random = np.random.default_rng(5)
    for path in folder.glob("stages/scores/*/scores.parquet"):
        table = pq.read_table(path)
        table = table.filter(np.isin(table["jet_id"].to_numpy(), kept["jet_id"].to_numpy()))
        noisy = table["score"].to_numpy() + random.normal(0, 3, len(table))
        pq.write_table(table.set_column(table.column_names.index("score"), "score", pa.array(noisy)), path)
    settings = yaml.safe_load((folder / "settings.yaml").read_text().partition(SEAL)[0])
    settings["seed"], settings["nae"]["steps"] = 77, 33
    (folder / "settings.yaml").write_text(yaml.safe_dump(settings))
    about = json.loads((folder / "study.json").read_text())
    (folder / "study.json").write_text(json.dumps(about | {"name": "<worse>"}))
    return seal_study(folder)


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A study on other jets."""
    folder = tmp_path_factory.mktemp("versus") / "other"
    return make_study(folder, name="other", seed=3, background=600, signal=100, replicas=6)


def scores_of(folder: Path) -> dict[int, float]:
    """Scores of the best trial by jet."""
    stage = read_results(folder).best.stages["scores"]
    table = pq.read_table(folder / "stages/scores" / stage / "scores.parquet").to_pylist()
    return {row["jet_id"]: row["score"] for row in table if row["detector"] == "s_NAE" and row["split"] == "test"}


def test_ratios_are_those_of_the_jets_that_both_studies_have(study_folder: Path, worse: Path) -> None:
    versus = read_versus([study_folder, worse])
    a, b = scores_of(study_folder), scores_of(worse)
    jets = [jet for jet in pq.read_table(study_folder / "jets.parquet").to_pylist() if jet["jet_id"] in a.keys() & b]
    jets.sort(key=lambda jet: jet["jet_id"])
    assert versus.shared("toy", "<worse>")["qcd"] == sum(jet["sample"] == "qcd" for jet in jets) < 1000
    found = versus.ratios["toy", "<worse>"]
    assert len(found) == 5
    for signal in ("aachen", "mass_20"):
        parts = [[jet for jet in jets if jet["sample"] == name] for name in ("qcd", signal)]
        columns = [[known[jet["jet_id"]] for jet in part] for known in (a, b) for part in parts]
        facts = [[jet[name] for jet in part] for name in ("pt", "event_id") for part in parts]
        expected = paired_ratio(*columns, *facts, eps_s=0.2, seed=read_results(study_folder).settings.seed)
        assert found[signal] == expected


def test_study_is_ahead_from_both_sides(study_folder: Path, worse: Path) -> None:
    forward, backward = read_versus([study_folder, worse]), read_versus([worse, study_folder])
    assert forward.leader == backward.leader == "toy"
    ahead, behind = forward.standing("toy", "<worse>")
    assert (behind, ahead) == forward.standing("<worse>", "toy")
    assert ahead >= 2
    one, other = forward.ratios["toy", "<worse>"]["aachen"], backward.ratios["<worse>", "toy"]["aachen"]
    assert one.raw.ratio == pytest.approx(1 / other.raw.ratio)
    assert forward.differing_settings() == {
        "seed": {"toy": read_results(study_folder).settings.seed, "<worse>": 77},
        "nae.steps": {"toy": read_results(study_folder).settings.nae.steps, "<worse>": 33},
    }


def test_page_of_two_studies(study_folder: Path, worse: Path, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    assert darkclr(["report", str(study_folder), str(worse), "--out", str(tmp_path / "both")]) == 0
    page = tmp_path / "both" / "index.html"
    assert capsys.readouterr().out == f"{page}\n"
    html = page.read_text(encoding="utf-8")
    assert "<worse>" not in html
    text = str(Text(html))
    assert "Which study is ahead: toy or <worse>?" in text
    versus = read_versus([study_folder, worse])
    ahead, behind = versus.standing("toy", "<worse>")
    assert f"than that of <worse> on {ahead} of 5 signals and smaller on {behind}, with a ratio of" in text
    table = {(row["signal"], row["weighting"]): row for row in rows(page, "ratios")}
    expected = versus.ratios["toy", "<worse>"]["rinv_0.5"].matched
    assert float(table["rinv_0.5", "matched"]["ratio"]) == expected.ratio
    assert float(table["rinv_0.5", "matched"]["ratio_low"]) == expected.low
    assert [row["study"] for row in rows(page, "studies")] == ["toy", "<worse>"]
    assert {row["setting"] for row in rows(page, "settings")} == {"seed", "nae.steps"}


def test_without_common_jets_none_is_ahead(study_folder: Path, other: Path, tmp_path: Path) -> None:
    first = Path(shutil.copytree(study_folder, tmp_path / "first", ignore=shutil.ignore_patterns("report")))
    assert darkclr(["report", str(first), str(other)]) == 0
    page = tmp_path / "first_and_other" / "index.html"  # beside the first
    assert "The studies share no test jets" in str(Text(page.read_text(encoding="utf-8")))
    assert not (page.parent / "ratios.csv").exists()
    assert read_versus([first, other]).leader is None


def test_what_cannot_be_compared_is_refused(
    study_folder: Path, comparison_folder: Path, worse: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    study = str(study_folder)
    for arguments, words in (
        ([study, str(comparison_folder)], "only studies of one kind are compared"),
        ([study, study], "expected the folders of two or more different studies"),
        ([study, str(tmp_path)], "no study.json"),
        ([study, "--out", str(tmp_path)], "only the comparison of several studies is written elsewhere"),
        ([study, str(worse), "--out", str(worse / "study.json")], "study.json is a file; choose another --out"),
    ):
        with pytest.raises(SystemExit) as end:
            darkclr(["report", *arguments])
        assert end.value.code == 2
        assert words in capsys.readouterr().err
