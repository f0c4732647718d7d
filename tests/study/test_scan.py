"""The main command's study under Ray, with three trials: its records, the model that it leaves, its page."""

from __future__ import annotations

import math
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from darkclr_ray.cli.options import CommandLine
from darkclr_ray.detectors.models import load_model
from darkclr_ray.presets import PRESETS
from darkclr_ray.reports import build
from darkclr_ray.settings import StudySettings
from darkclr_ray.store.files import read_json
from darkclr_ray.store.scores import read_scores
from darkclr_ray.study.scan import EmbeddingScan, check_label_free
from tests.study.conftest import ONE_WORKER_GROUP, perform, trainer


@pytest.fixture
def trials(scan: EmbeddingScan) -> list[dict[str, Any]]:
    return [read_json(path) for path in sorted(scan.folder.trials.glob("*.json"))]


@pytest.fixture
def best(trials: list[dict[str, Any]]) -> dict[str, Any]:
    return max(trials, key=lambda trial: trial["objective"])


def test_every_trial_has_a_record(scan: EmbeddingScan, trials: list[dict[str, Any]]) -> None:
    assert [(trial["number"], trial["state"]) for trial in trials] == [(n, "COMPLETE") for n in range(3)]
    settings = scan.settings
    preset = {"d_z": settings.encoder.d_z, "p_drop": settings.views.p_drop, "step_size": settings.nae.step_size}
    assert trials[0]["parameters"] == preset
    assert trials[1]["parameters"] == {**preset, "step_size": trials[1]["parameters"]["step_size"]} != preset
    assert trials[2]["parameters"]["p_drop"] != preset["p_drop"]
    assert scan.finished()


def test_the_driver_reads_every_sample_once(scan: EmbeddingScan, samples_read: list[str]) -> None:
    """Workers find them in Ray's object store."""
    evaluated = {f"{split}/{name}" for split in ("validation", "test") for name in ("qcd", "aachen", "mass_10")}
    assert Counter(samples_read) == Counter({"train/qcd", *evaluated})


def test_the_objective_is_the_mean_over_signals(trials: list[dict[str, Any]]) -> None:
    for trial in trials:
        found = [evaluation["matched"]["rejection"]["0.2"] for evaluation in trial["validation"]["s_NAE"].values()]
        assert len(found) == 2
        assert not any(rejection["lower_bound"] for rejection in found)
        assert trial["objective"] == pytest.approx(sum(math.log(rejection["value"]) for rejection in found) / 2)


def test_a_record_has_the_warnings_and_the_chains_of_its_evaluation(
    scan: EmbeddingScan, trials: list[dict[str, Any]]
) -> None:
    for trial in trials:
        stage = scan.folder.store.find("evaluation", trial["stages"]["evaluation"])
        judged = read_json(stage.folder / "evaluation.json")
        assert (trial["warnings"], trial["chains"]) == (judged["warnings"], judged["chains"])
        assert set(trial["chains"]) == {"s_NAE"}


def test_two_trials_share_an_encoder(scan: EmbeddingScan, trials: list[dict[str, Any]]) -> None:
    encoders, energies = ([trial["stages"][kind] for trial in trials] for kind in ("representation", "energy"))
    assert encoders[0] == encoders[1] != encoders[2]
    trainers = [trainer(scan.folder.store.folder, "representation", name) for name in encoders]
    assert trainers == ["trial-0000", "trial-0000", "trial-0002"]
    trainers = [trainer(scan.folder.store.folder, "energy", name) for name in energies]
    assert trainers == ["trial-0000", "trial-0001", "trial-0002"]


def test_the_best_trial_is_interpreted(scan: EmbeddingScan, best: dict[str, Any]) -> None:
    """The most anomalous jets are those of the scores in the store."""
    content = read_json(scan.folder.path / "sections" / "interpretation.json")
    assert content["of"] == {"s_NAE": best["stages"]["scores"]}
    stage = scan.folder.store.find("scores", best["stages"]["scores"])
    scores = read_scores(stage.folder / "scores.parquet")["test"]["s_NAE"]
    found = content["result"]["s_NAE"]
    top = np.sort(np.concatenate(list(scores.values())))[::-1][:12]
    np.testing.assert_array_equal([jet["score"] for jet in found["most"]], top)
    assert found["layers"]["head"]["dimension"] == best["parameters"]["d_z"]
    assert scan.folder.about().sections == ["interpretation"]  # type: ignore[union-attr]


def test_the_time_of_each_trial_is_recorded(scan: EmbeddingScan) -> None:
    runs = [trial.execution for trial in scan.folder.trial_records()]
    times = [time for run in runs if run is not None for time in (run.started, run.ended)]
    assert len(times) == 6
    assert times == sorted(times)  # one worker group runs them one after the other
    assert runs[0] is not None
    assert runs[0].worker_group == 0


def test_reference_points_are_on_the_same_jets(scan: EmbeddingScan, best: dict[str, Any]) -> None:
    references = read_json(scan.folder.path / "references.json")
    assert set(references) == {"untrained", "multiplicity", "views_observables"}
    assert references["untrained"]["parameters"] == best["parameters"]
    untrained = scan.folder.store.find("representation", references["untrained"]["stages"]["representation"])
    assert (untrained.folder / "history.jsonl").read_text() == ""
    for split, samples in scan.open().evaluation.items():
        background = samples.pop("qcd").multiplicity
        assert set(references["untrained"][split]["s_NAE"]) == set(samples) == {"aachen", "mass_10"}
        for name, jets in samples.items():
            labels = np.repeat([0, 1], [len(background), len(jets)])
            area = roc_auc_score(labels, -np.concatenate([background, jets.multiplicity]))
            assert references["multiplicity"][split]["multiplicity"][name]["raw"]["auc"] == pytest.approx(area)


def test_the_best_trial_is_left_as_a_model(scan: EmbeddingScan, best: dict[str, Any]) -> None:
    assert read_json(scan.folder.path / "study.json")["best"] == best["number"]
    assert read_json(scan.folder.path / "best" / "metrics.json")["test"] == best["test"]
    stored = read_scores(scan.folder.store.find("scores", best["stages"]["scores"]).folder / "scores.parquet")
    for name in ("s_NAE", "s_CLR", "s_AE"):
        model = load_model(scan.folder.path / "best", name)
        for split, samples in scan.open().evaluation.items():
            for sample, jets in samples.items():
                np.testing.assert_allclose(model.score(jets), stored[split][name][sample], rtol=1e-5)


@pytest.mark.slow
def test_a_search_can_judge_another_detector(
    ray_session: None, tiny_options: list[str], labelled_folder: Path, tmp_path: Path
) -> None:
    """Each trial fits it, the objective is about it, and the best trial's model holds it."""
    where = ["--jets", str(labelled_folder), "--out", str(tmp_path), "--name", "other", "--search.trials", "2"]
    line = CommandLine(StudySettings, PRESETS, "laptop", "", {})
    judged = ["--search.score", "views_classifier", "--search.objective", "signal_blind"]
    settings, preset = line.read([*tiny_options, *ONE_WORKER_GROUP, *where, *judged])
    scan = EmbeddingScan(settings, preset, ["embedding_scan"])
    perform(scan)
    trials = [read_json(path) for path in sorted(scan.folder.trials.glob("*.json"))]
    for trial in trials:
        assert set(trial["test"]) == {"s_NAE", "s_CLR", "s_AE", "views_classifier"}
        evaluation = read_json(
            scan.folder.store.find("evaluation", trial["stages"]["evaluation"]).folder / "evaluation.json"
        )
        assert trial["objective"] == evaluation["signal_blind"]["views_classifier"]["raw"]["auc"]
    best = max(trials, key=lambda trial: trial["objective"])
    stored = read_scores(scan.folder.store.find("scores", best["stages"]["scores"]).folder / "scores.parquet")
    jets = scan.open().evaluation["test"]["aachen"]
    model = load_model(scan.folder.path / "best", "views_classifier")
    np.testing.assert_allclose(model.score(jets), stored["test"]["views_classifier"]["aachen"], rtol=1e-5)
    assert build(scan.folder.path).stat().st_size > 10000


@pytest.mark.parametrize(
    ("score", "message"),
    [("views_clasifier", "did you mean 'views_classifier'"), ("supervised", "it is trained with labels")],
)
def test_scores_that_no_search_can_judge_are_refused(score: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        check_label_free(score)


def test_a_page_comes_of_it(scan: EmbeddingScan) -> None:
    assert build(scan.folder.path).stat().st_size > 10000
