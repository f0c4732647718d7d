"""Results in notebooks against the files of the study and rejections counted by hand."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from darkclr_ray import results


def test_trials_are_those_of_the_files(study_folder: Path) -> None:
    trials = results.open(study_folder).trials()
    for path in (study_folder / "trials").glob("*.json"):
        stored = json.loads(path.read_text())
        row = trials.loc[stored["number"]]
        assert row["state"] == stored["state"]
        assert {name: row[name] for name in stored["parameters"]} == stored["parameters"]
        if stored.get("objective") is not None:
            assert row["rejection"] == pytest.approx(np.exp(stored["objective"]))
    assert len(trials) == len(list((study_folder / "trials").glob("*.json")))


def test_rejections_are_those_that_the_scores_give(study_folder: Path) -> None:
    study = results.open(study_folder)
    scores, table = study.scores(), study.evaluations().query("weighting == 'raw'")
    background = scores[scores["sample"] == "qcd"]
    checked = 0
    for row in table.itertuples():
        if row.detector not in scores or row.lower_bound or row.run != table["run"].iloc[0]:
            continue
        signal = scores.loc[scores["sample"] == row.signal, row.detector].to_numpy()
        cut = np.sort(signal)[::-1][round(row.eps_s * len(signal)) - 1]
        passed = (background[row.detector] >= cut).sum()
        assert row.rejection == pytest.approx(len(background) / passed, rel=2 / passed)
        assert row.low <= row.rejection
        checked += 1
    assert checked > 3


def test_a_comparison_and_what_is_not_there(comparison_folder: Path, tmp_path: Path) -> None:
    study = results.open(comparison_folder)
    assert study.trials().empty
    assert set(study.detectors()) <= set(study.evaluations()["detector"])
    assert "runs" in repr(study)
    assert "<table" in study._repr_html_()
    with pytest.raises(ValueError, match="no best/"):
        study.best_model()
    with pytest.raises(ValueError, match="no trial 3"):
        study.history(3)
    with pytest.raises(ValueError, match=r"no study\.json"):
        results.open(tmp_path)


def test_histories(study_folder: Path) -> None:
    history = results.open(study_folder).history(0)
    assert history["epoch"].is_monotonic_increasing
