"""A worker group of real workers against the same detectors fitted in this process."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from sklearn.metrics import roc_auc_score

from darkclr_ray.augmentations.views import MemoryViews
from darkclr_ray.cli.options import CommandLine
from darkclr_ray.detectors.darkclr import EncoderEnergy, EncoderNorm, PlainEnergy, contrastive_training
from darkclr_ray.evaluation.linear_classifier import constituent_features, linear_classifier_test
from darkclr_ray.jets.packed import TrainingSample
from darkclr_ray.presets import PRESETS
from darkclr_ray.runtime.mailbox import News
from darkclr_ray.runtime.outcome import Outcome
from darkclr_ray.runtime.resources import Node, allocate
from darkclr_ray.runtime.worker_group import GroupPlan, WorkerGroup
from darkclr_ray.settings import StudySettings
from darkclr_ray.store.files import read_json
from darkclr_ray.streams import materialise, store
from darkclr_ray.study.detector_spec import MULTIPLICITY
from darkclr_ray.study.extra_jobs import Features, LinearJob
from darkclr_ray.study.jets import StudyJets, open_study_jets
from darkclr_ray.study.job_context import DatasetRefs, JobContext
from darkclr_ray.study.jobs import CalibrationJob, DetectorJob
from darkclr_ray.training.checkpoint import CHECKPOINT
from darkclr_ray.training.trainer import Trainer
from tests.study.conftest import seal


@pytest.fixture(scope="module")
def settings(jet_folder: Path, tiny_options: list[str]) -> StudySettings:
    line = CommandLine(StudySettings, PRESETS, "laptop", "", {})
    return line.read([*tiny_options, "--jets", str(jet_folder), "--compute.cpus_per_worker", "0.5"])[0]


@pytest.fixture(scope="module")
def jets(settings: StudySettings) -> StudyJets:
    return open_study_jets(settings)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("study")


@pytest.fixture(scope="module")
def group(ray_session: None, settings: StudySettings, jets: StudyJets, folder: Path) -> Iterator[WorkerGroup]:
    judged = {
        split: {name: store(some) for name, some in samples.items()} for split, samples in jets.evaluation.items()
    }
    places = DatasetRefs(materialise(jets.folder, "train", "qcd", limit=1.0), judged, "qcd")
    allocation = allocate(settings.compute.model_copy(update={"concurrent_trials": 1}), 6, [Node(2)])
    (folder / "stages").mkdir()
    work = JobContext(folder / "stages", places, folder / "logs", allocation.data_cpus)
    group = WorkerGroup(GroupPlan(allocation, work, folder / "train", failures=0))
    yield group
    group.close()


@pytest.fixture(scope="module")
def told(group: WorkerGroup, settings: StudySettings) -> list[News]:
    """Everything that the mailbox tells of a job."""
    group.put("first", DetectorJob(settings, rungs=(1, 4)))
    news = []
    while not news or news[-1].outcome is None:
        news.append(group.news())
    return news


@pytest.fixture(scope="module")
def outcome(told: list[News]) -> Outcome:
    assert told[-1].outcome is not None
    return told[-1].outcome


def score_columns(folder: Path, outcome: Outcome) -> dict[tuple[str, str, str], np.ndarray[Any, Any]]:
    table = pq.read_table(folder / "stages" / "scores" / outcome.result["stages"]["scores"] / "scores.parquet")
    frame = table.to_pandas()
    return {
        key: part["score"].to_numpy() for key, part in frame.groupby(["split", "sample", "detector"], observed=True)
    }


def test_scores_are_those_of_a_notebook(
    outcome: Outcome, settings: StudySettings, jets: StudyJets, folder: Path
) -> None:
    assert outcome.state == "finished", outcome.reason
    scores = score_columns(folder, outcome)
    runner = Trainer(threads=1, validation=TrainingSample(jets.evaluation["validation"]["qcd"]))
    for detector in (EncoderNorm(settings), EncoderEnergy(settings), PlainEnergy(settings)):
        detector.fit(jets.training, runner)
        for split, samples in jets.evaluation.items():
            for name, some in samples.items():
                np.testing.assert_array_equal(scores[split, name, detector.name], detector.score(some))
    source = runner.views(jets.training, settings.views, settings.inputs, 64, settings.seed)
    assert isinstance(source, MemoryViews)


def test_stages_are_described_and_kept(outcome: Outcome, folder: Path) -> None:
    stages = outcome.result["stages"]
    assert set(stages) == {"representation", "energy", "scores", "evaluation"}
    for kind, name in stages.items():
        described = json.loads((folder / "stages" / kind / name / "stage.json").read_text())
        assert described["kind"] == kind
        assert len(described["code"]) == 32
    names = {path.name for path in (folder / "stages" / "representation" / stages["representation"]).iterdir()}
    assert {"encoder.safetensors", "history.jsonl", "stage.json"} <= names
    assert "checkpoint.pt" not in names
    assert any(name.endswith(".npy") for name in names)
    history = (folder / "stages" / "energy" / stages["energy"] / "history.jsonl").read_text().splitlines()
    assert [json.loads(line)["phase"] for line in history] == ["reconstruction"] * 3 + ["contrastive_divergence"] * 2
    assert set(outcome.result["objectives"]) == {"matched", "raw", "worst", "signal_blind", "seconds", "parameters"}


def test_rungs_were_judged(told: list[News]) -> None:
    metrics = [news.metric for news in told if news.metric is not None]
    assert [metric["epoch"] for metric in metrics] == [1, 4]
    assert all(np.isfinite(metric["objective"]) for metric in metrics)


def test_what_is_damaged_is_computed_again(
    outcome: Outcome, group: WorkerGroup, settings: StudySettings, folder: Path
) -> None:
    """A flipped bit in the weights; then half a checkpoint where the training was interrupted. No trial fails of it."""
    name = outcome.result["stages"]["energy"]
    stage = folder / "stages" / "energy" / name
    weights = sorted(stage.glob("*.safetensors"))
    kept, checkpoint = [path.read_bytes() for path in weights], stage.with_name(f"{name}.partial") / CHECKPOINT
    weights[0].write_bytes(kept[0][:-1] + bytes([kept[0][-1] ^ 1]))
    again = group.run(DetectorJob(settings), "damaged weights")
    assert again.state == "finished", again.reason
    assert again.result["recomputed"] == [f"{stage}: this energy stage is damaged; it is computed again"]
    assert again.result["stages"] == outcome.result["stages"]
    assert [path.read_bytes() for path in weights] == kept
    stage.rename(checkpoint.parent)
    checkpoint.write_bytes(b"half a checkpoint")
    again = group.run(DetectorJob(settings), "damaged checkpoint")
    assert again.state == "finished", again.reason
    assert [line.startswith(f"{checkpoint}: damaged") for line in again.result["recomputed"]] == [True]
    assert [path.read_bytes() for path in weights] == kept
    assert not (stage / CHECKPOINT).exists()


def test_another_step_size_takes_the_same_encoder(
    outcome: Outcome, group: WorkerGroup, settings: StudySettings
) -> None:
    seal(group.plan.work.store)
    other = group.run(DetectorJob(settings.updated({"nae": {"step_size": 0.01}})), "second")
    assert other.state == "finished", other.reason
    assert other.result["stages"]["representation"] == outcome.result["stages"]["representation"]
    assert other.result["stages"]["energy"] != outcome.result["stages"]["energy"]


def test_the_same_again_computes_nothing(outcome: Outcome, group: WorkerGroup, settings: StudySettings) -> None:
    seal(group.plan.work.store)
    again = group.run(DetectorJob(settings), "third")
    assert again.state == "finished", again.reason
    assert again.result["stages"] == outcome.result["stages"]
    assert again.result["seconds"] == {}


def test_a_detector_without_training(
    group: WorkerGroup, settings: StudySettings, jets: StudyJets, folder: Path
) -> None:
    outcome = group.run(DetectorJob(settings, MULTIPLICITY, score="multiplicity"))
    assert outcome.state == "finished", outcome.reason
    scores = score_columns(folder, outcome)
    np.testing.assert_array_equal(
        scores["test", "aachen", "multiplicity"], -jets.evaluation["test"]["aachen"].multiplicity
    )


def test_two_energy_trainings_in_one_job(outcome: Outcome, group: WorkerGroup, settings: StudySettings) -> None:
    told = group.run(DetectorJob(settings, ("raw_nae", "s_NAE")), "two energies")
    assert told.state == "finished", told.reason
    of_each = told.result["detectors"]
    assert set(of_each["raw_nae"]) == {"energy"}
    assert of_each["raw_nae"]["energy"] != of_each["s_NAE"]["energy"] == outcome.result["stages"]["energy"]
    assert told.result["stages"]["energy"] == of_each["s_NAE"]["energy"]  # that of the score which is judged


@pytest.mark.parametrize("features", ["head", "pooled", "constituents"])
def test_linear_classifiers_are_those_of_a_notebook(
    features: Features, group: WorkerGroup, settings: StudySettings, jets: StudyJets, folder: Path
) -> None:
    told = group.run(LinearJob(settings, features, constituents=10, seed=3))
    assert told.state == "finished", told.reason
    assert set(told.result["stages"]) == {"evaluation"} | ({"representation"} if features != "constituents" else set())
    evaluation = read_json(folder / "stages" / "evaluation" / told.result["stages"]["evaluation"] / "evaluation.json")
    qcd, aachen = jets.evaluation["test"]["qcd"], jets.evaluation["test"]["aachen"]
    if features == "constituents":
        seen = [constituent_features(some, 10) for some in (qcd, aachen)]
    else:
        runner = Trainer(threads=1, validation=TrainingSample(jets.evaluation["validation"]["qcd"]))
        encoder = runner.train(contrastive_training(settings, jets.training, runner))
        seen = [runner.represent(encoder, some, features) for some in (qcd, aachen)]
    expected = linear_classifier_test(*seen, qcd.events, aachen.events, seed=3)
    name = f"linear {features}"
    assert evaluation["dimension"] == {"head": 8, "pooled": 8, "constituents": 30}[features]
    assert evaluation["fold_aucs"][name]["aachen"] == pytest.approx(expected.fold_aucs.tolist())
    labels = np.repeat([0, 1], [len(qcd), len(aachen)])
    area = roc_auc_score(labels, np.concatenate([expected.background, expected.signal]))
    assert evaluation["test"][name]["aachen"]["raw"]["auc"] == pytest.approx(area)


def test_labels_that_a_study_has_not_are_missed(group: WorkerGroup, settings: StudySettings) -> None:
    told = group.run(DetectorJob(settings, ("supervised",)))
    assert told.state == "failed"
    assert "no training jets of the signal 'aachen' (supervised.signal)" in str(told.reason)


def test_a_training_that_diverges_says_why(group: WorkerGroup, settings: StudySettings) -> None:
    wild = settings.updated({"nae": {"step_size": 1e4, "steps": 40}})
    outcome = group.run(DetectorJob(wild))
    assert outcome.state == "failed"
    assert "Langevin" in str(outcome.reason)


def test_a_collapsed_encoder_fails_every_job_on_it(group: WorkerGroup, settings: StudySettings, folder: Path) -> None:
    """A part of the head's ReLU units is inactive after the first epoch, for good; nothing is kept of the encoder."""
    dying = settings.updated(
        {"encoder": {"head_slope": 0.0}, "contrastive": {"learning_rate": 0.03, "norm_penalty": 10.0}}
    )
    before = set((folder / "stages" / "representation").glob("[0-9a-f]*[0-9a-f]"))
    jobs = [DetectorJob(dying.updated({"nae": {"step_size": step_size}})) for step_size in (0.02, 0.1)]
    first, second = (group.run(job, f"collapsed-{number}") for number, job in enumerate(jobs))
    assert first.state == second.state == "failed"
    assert "the encoder collapsed: after epoch 0" in str(first.reason)
    assert "encoder.head_slope = 0.1" in str(first.reason)
    assert second.reason == first.reason
    assert set((folder / "stages" / "representation").glob("[0-9a-f]*[0-9a-f]")) == before


def test_a_bug_fails_its_job_and_not_the_group(group: WorkerGroup, settings: StudySettings, folder: Path) -> None:
    outcome = group.run(DetectorJob(settings, ("darkclr_ray.detectors.multiplicity:Nothing",)), "buggy")
    assert outcome.state == "failed"
    assert "Nothing" in str(outcome.reason)
    assert "Traceback" in (folder / "logs" / "buggy.log").read_text()


def test_calibration_measures_something(group: WorkerGroup, settings: StudySettings) -> None:
    outcome = group.run(CalibrationJob(settings))
    assert outcome.state == "finished", outcome.reason
    assert set(outcome.result) == {"encoder_epoch", "reconstruction_epoch", "divergence_epoch", "jet"}
    assert all(0.0 < value < 100.0 for value in outcome.result.values())


@pytest.mark.slow
def test_two_workers_agree_with_one(
    outcome: Outcome, group: WorkerGroup, settings: StudySettings, folder: Path, tmp_path: Path
) -> None:
    """The same loss curve; weights differ by the order of sums and by dropout, which is keyed on the rank."""
    compute = settings.compute.model_copy(update={"workers": 2, "concurrent_trials": 1})
    (tmp_path / "stages").mkdir()
    work = JobContext(tmp_path / "stages", group.plan.work.jets, tmp_path / "logs", 0.5)
    group.close()  # two CPUs do not hold both
    pair = WorkerGroup(GroupPlan(allocate(compute, 6, [Node(2)]), work, tmp_path / "train", failures=0))
    told = pair.run(DetectorJob(settings))
    pair.close()
    assert told.state == "finished", told.reason
    losses = []
    for place, stages in ((folder, outcome.result["stages"]), (tmp_path, told.result["stages"])):
        history = place / "stages" / "representation" / stages["representation"] / "history.jsonl"
        losses.append([json.loads(line)["loss"] for line in history.read_text().splitlines()])
    np.testing.assert_allclose(losses[0], losses[1], rtol=0.1, atol=0.1)
    one, two = score_columns(folder, outcome), score_columns(tmp_path, told)
    assert {key: len(values) for key, values in one.items()} == {key: len(values) for key, values in two.items()}
