"""A study in experiment trackers: what they hold, read back with their own readers; one that is not there."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from darkclr_ray.cli.darkclr import main
from darkclr_ray.reports import build
from darkclr_ray.store.files import read_json, write_json
from darkclr_ray.study import tracking
from darkclr_ray.study.trackers import base
from tests.reports.make_study import make_study, seal_study


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A study of six trials, four complete ones, with its page."""
    folder = make_study(tmp_path_factory.mktemp("tracked") / "toy", background=300, signal=80, replicas=4)
    build(folder)
    return folder


@pytest.fixture
def study(made: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(made, tmp_path / "toy"))


def records(study: Path) -> list[dict[str, Any]]:
    return [read_json(path) for path in sorted(study.glob("trials/*.json"))]


def matched(record: dict[str, Any]) -> float:
    return float(record["test"]["s_NAE"]["aachen"]["matched"]["rejection"]["0.2"]["value"])


MATCHED = "test/s_NAE/aachen/matched/rejection"


def test_what_a_tracker_gets(study: Path) -> None:
    found = list(base.trials(study))
    assert [trial.name for trial in found] == [f"trial-{number:04d}" for number in range(6)]
    for trial, record in zip(found, records(study), strict=True):
        assert trial.parameters == record["parameters"]
        assert trial.settings["encoder.layers"] == 2
        if record["state"] == "COMPLETE":
            assert trial.metrics[MATCHED] == matched(record)
            assert trial.metrics["objectives/matched"] == record["objectives"]["matched"]
            assert len(trial.curves["representation/loss"]) == 12
            assert trial.curves["energy/energy_chain"][0][0] == 30


def test_tensorboard(study: Path, capsys: pytest.CaptureFixture[str]) -> None:
    reader = pytest.importorskip(
        "tensorboard.backend.event_processing.event_accumulator", reason="needs the extra [tensorboard]"
    )
    assert main(["track", str(study), "--to", "tensorboard"]) == 0
    assert "6 trials" in capsys.readouterr().out
    for number, record in enumerate(records(study)[:4]):
        events = reader.EventAccumulator(str(study / "tracking" / "tensorboard" / f"trial-{number:04d}"))
        events.Reload()
        assert [event.value for event in events.Scalars(MATCHED)] == pytest.approx([matched(record)], rel=1e-6)
        curve = events.Scalars("representation/loss")
        assert [event.step for event in curve] == list(range(12))
        assert curve[3].value == pytest.approx(-8.0 * (1 - 0.7**3), rel=1e-6)
    before = {path: path.stat().st_mtime_ns for path in study.glob("tracking/tensorboard/trial*/events*")}
    tracking.write_study(study, "tensorboard")
    assert before == {path: path.stat().st_mtime_ns for path in study.glob("tracking/tensorboard/trial*/events*")}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """An MLflow server on loopback."""
    pytest.importorskip("mlflow", reason="needs the extra [mlflow]")
    if find_spec("mlflow.server.handlers") is None or find_spec("sqlalchemy") is None:
        pytest.skip("needs mlflow with its server: pip install mlflow")
    folder = tmp_path_factory.mktemp("server")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    command += ["--backend-store-uri", f"sqlite:///{folder}/mlflow.db", "--artifacts-destination", str(folder)]
    address = f"http://127.0.0.1:{port}"
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)
    try:
        for _ in range(240):
            assert process.poll() is None, (folder / "log").read_text()
            try:
                with urllib.request.urlopen(f"{address}/health", timeout=5):
                    break
            except OSError:
                time.sleep(0.5)
        yield address
    finally:
        process.terminate()
        process.wait()


def check_mlflow(study: Path, uri: str) -> None:
    from mlflow.tracking import MlflowClient

    client = MlflowClient(tracking_uri=uri)
    experiment = client.get_experiment_by_name("toy")
    assert experiment is not None
    runs = {run.info.run_name: run for run in client.search_runs([experiment.experiment_id])}
    assert set(runs) == {"study", *(f"trial-{number:04d}" for number in range(6))}
    for number, record in enumerate(records(study)):
        run = runs[f"trial-{number:04d}"]
        assert run.data.params["trial.d_z"] == str(record["parameters"]["d_z"])
        assert run.data.params["encoder.layers"] == "2"
        assert run.info.status == {"COMPLETE": "FINISHED", "PRUNED": "KILLED", "FAIL": "FAILED"}[record["state"]]
        if record["state"] == "COMPLETE":
            assert run.data.metrics[MATCHED] == pytest.approx(matched(record))
            curve = client.get_metric_history(run.info.run_id, "curves/representation/loss")
            assert sorted(one.step for one in curve) == list(range(12))
        assert f"{number:04d}.json" in [file.path for file in client.list_artifacts(run.info.run_id)]
    page = [file.path for file in client.list_artifacts(runs["study"].info.run_id, "report")]
    assert "report/index.html" in page


@pytest.mark.filterwarnings("ignore")
def test_mlflow_in_a_folder(study: Path) -> None:
    pytest.importorskip("mlflow", reason="needs the extra [mlflow]")
    uri = (study / "tracking" / "mlruns").as_uri()
    for _ in range(2):  # the second time changes nothing
        tracking.write_study(study, f"mlflow:{uri}")
        check_mlflow(study, uri)
    write_json(study / "trials" / "0000.json", records(study)[0] | {"state": "FAIL"})  # a trial was judged again
    tracking.write_study(study, f"mlflow:{uri}")
    check_mlflow(study, uri)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_mlflow_on_a_server(study: Path, server: str) -> None:
    tracking.write_study(study, f"mlflow:{server}")
    check_mlflow(study, server)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_wandb_offline(study: Path) -> None:
    pytest.importorskip("wandb", reason="needs the extra [wandb]")
    tracking.write_study(study, "wandb:offline")
    runs = list((study / "tracking" / "wandb").rglob("*.wandb"))
    assert len(runs) == 7
    assert all(path.stat().st_size > 1000 for path in runs)
    content = b"".join(path.read_bytes() for path in runs)
    for text in (b"trial-0003", MATCHED.encode(), b"representation/loss", b"trial.step_size"):
        assert text in content


def test_trials_are_written_while_a_study_runs(study: Path) -> None:
    lines: list[str] = []
    late = study / "trials" / "0003.json"
    content = read_json(late)
    late.unlink()
    shown = study / "tracking" / "tensorboard"
    with tracking.Followers(study, ["tensorboard"], lines.append):
        deadline = time.monotonic() + 120
        while not (shown / "trial-0002" / "written").exists():
            assert time.monotonic() < deadline
            time.sleep(0.2)
        assert not (shown / "trial-0003").exists()
        write_json(late, {name: value for name, value in content.items() if name != "checksum"})
        seal_study(study)
    assert (shown / "trial-0003" / "written").exists()
    assert lines == []


@pytest.mark.parametrize("answers", [False, True], ids=["refused", "silent"])
def test_a_tracker_that_is_not_there_does_not_affect_a_study(
    study: Path, monkeypatch: pytest.MonkeyPatch, answers: bool
) -> None:
    pytest.importorskip("mlflow", reason="needs the extra [mlflow]")
    monkeypatch.setattr(tracking, "LAST_SECONDS", 2.0)
    lines: list[str] = []
    with socket.socket() as silent:  # connections are accepted by the system, and nobody answers
        silent.bind(("127.0.0.1", 0))
        if answers:
            silent.listen()
        target = f"mlflow:http://127.0.0.1:{silent.getsockname()[1]}"
        began = time.monotonic()
        with tracking.Followers(study, [target], lines.append) as followers:
            pass
        assert time.monotonic() - began < 60
    assert len(lines) == 1
    assert f"darkclr track {study} --to {target}" in lines[0]
    assert all(process.poll() is not None for process in followers.processes.values())


@pytest.mark.parametrize(
    ("target", "message"),
    [("comet", "unknown tracker"), ("wandb:online", "expected wandb or wandb:offline"), ("mlfow", "did you mean")],
)
def test_unknown_trackers_are_refused(
    study: Path, target: str, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        main(["track", str(study), "--to", target])
    assert message in capsys.readouterr().err
    assert not (study / "tracking").exists()
    assert json.loads((study / "study.json").read_text())["name"] == "toy"
