"""One study a folder, one process a study, and nothing written where something is wrong."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import resource
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from darkclr_ray.presets import preset
from darkclr_ray.runtime.nodes import check_shared
from darkclr_ray.settings import StudySettings
from darkclr_ray.store.files import read_json, write_json
from darkclr_ray.study import folder as folder_module
from darkclr_ray.study.folder import DERIVED, StudyFolder
from darkclr_ray.study.records import Start, TrialRecord
from darkclr_ray.study.scan import EmbeddingScan

MACHINE = {"cpus": 2.0, "gpus": 0.0, "nodes": 1}
JETS = {"train": {"qcd": "a"}, "test": {"qcd": "b", "aachen": "c"}}
SETTINGS = preset("laptop")


@pytest.fixture
def folder(tmp_path: Path) -> StudyFolder:
    folder = StudyFolder(tmp_path / "scan")
    folder.claim()
    folder.describe(SETTINGS, "laptop", ["python", "x"], MACHINE, {"jets": {"path": "here", "fingerprints": JETS}})
    folder.release()
    return folder


def test_the_same_study_goes_on(folder: StudyFolder) -> None:
    created = read_json(folder.path / "study.json")["created"]
    folder.check(SETTINGS, JETS)
    other = SETTINGS.updated({"search": {"trials": 50}, "compute": {"workers": 2}, "out": "elsewhere", "jets": "moved"})
    folder.check(other, JETS)
    folder.describe(other, "laptop", ["python", "y"], MACHINE, {"jets": {"path": "moved", "fingerprints": JETS}})
    known = read_json(folder.path / "study.json")
    assert known["created"] == created
    assert known["command"] == ["python", "x"]
    assert "trials: 50" in (folder.path / "settings.yaml").read_text()


def restarted(
    folder: StudyFolder,
    machine: dict[str, float] = MACHINE,
    precision: str | None = None,
    **kernels: str,
) -> None:
    """As a later process starts it."""
    again = StudyFolder(folder.path)
    again.describe(SETTINGS, "laptop", ["python", "x"], machine, {"jets": {"path": "here", "fingerprints": JETS}})
    if precision is not None:
        for network, implementation in kernels.items() or [("encoder", "C")]:
            again.note_computed({"precision": precision, "kernels": {network: implementation}})


def test_starts_are_kept_where_they_differ(folder: StudyFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    def starts() -> list[Start]:
        about = folder.about()
        assert about is not None
        return about.starts

    def told(*names: str) -> list[tuple[object, ...]]:
        return [tuple(start.model_dump()[name] for name in names) for start in starts()]

    restarted(folder, precision="float32")
    restarted(folder)
    restarted(folder, precision="float32")
    assert told("machine", "precision") == [(MACHINE, "float32")]
    bigger = {**MACHINE, "cpus": 64.0}
    restarted(folder, bigger)  # ended before any job
    restarted(folder, bigger, "bfloat16")
    assert told("machine", "precision") == [(MACHINE, "float32"), (bigger, "bfloat16")]
    monkeypatch.setattr(folder_module, "version", lambda name: "99.0")
    restarted(folder, bigger, "bfloat16")
    restarted(folder, bigger, "float32")
    assert told("machine", "precision")[2:] == [(bigger, "bfloat16"), (bigger, "float32")]
    assert [start.versions["torch"] == "99.0" for start in starts()] == [False, False, True, True]
    assert all(start.time for start in starts())
    restarted(folder, bigger, "float32", encoder="C", autoencoder="C")
    restarted(folder, bigger, "float32", encoder="PyTorch")
    assert told("kernels")[3:] == [({"encoder": "C", "autoencoder": "C"},), ({"encoder": "PyTorch"},)]


def test_a_longer_scan_is_not_finished_by_what_a_shorter_one_concluded(folder: StudyFolder, tmp_path: Path) -> None:
    """Killed between its last trial and its conclusions, with those of the first two trials lying there."""

    def scan(trials: int) -> EmbeddingScan:
        settings = SETTINGS.updated({"name": "scan", "out": str(tmp_path), "search": {"trials": trials}})
        return EmbeddingScan(settings, "laptop", ["python", "x"])

    def ending(number: int, objective: float) -> None:
        facts = {"number": number, "state": "COMPLETE", "objective": objective}
        facts |= {"objectives": {"matched": objective}, "test": {}}
        write_json(folder.trials / f"{number:04d}.json", facts)

    for number, objective in enumerate((5.0, 7.0)):
        ending(number, objective)
    assert not scan(2).finished()
    (folder.path / "best").mkdir()
    for name in DERIVED:
        (folder.path / name).touch()
    write_json(folder.path / "references.json", {})
    folder.note(best=1)
    assert scan(2).finished()
    assert not scan(3).finished()
    ending(2, 6.0)
    assert scan(3).finished()
    ending(2, 8.0)
    assert not scan(3).finished()


def test_other_settings_are_refused_by_name(folder: StudyFolder) -> None:
    other = SETTINGS.updated({"encoder": {"layers": 3}, "seed": 2, "search": {"d_z": (16, 32)}})
    with pytest.raises(ValueError) as refusal:
        folder.check(other, JETS)
    for word in ("encoder.layers: 2 there, 3 now", "seed: 1 there, 2 now", "[16, 32] now", "--name"):
        assert word in str(refusal.value)


def test_other_jets_are_refused_by_name(folder: StudyFolder) -> None:
    with pytest.raises(ValueError, match=r"other jets \(test/aachen, test/mass_10 differ"):
        folder.check(SETTINGS, {"train": {"qcd": "a"}, "test": {"qcd": "b", "aachen": "x", "mass_10": "d"}})


def test_a_study_is_known_by_its_jets(folder: StudyFolder) -> None:
    further = {**JETS, "test": {**JETS["test"], "mass_10": "d"}}
    assert folder.made_on(JETS)
    assert folder.made_on(further)
    assert not folder.made_on({**JETS, "test": {"qcd": "b", "aachen": "x"}})
    assert not folder.made_on({"train": {"qcd": "a"}, "test": {"qcd": "b"}, "validation": {}})
    assert not StudyFolder(folder.path / "nowhere").made_on(JETS)


def test_another_format_is_refused(folder: StudyFolder) -> None:
    write_json(folder.path / "study.json", read_json(folder.path / "study.json") | {"format": 1})
    with pytest.raises(ValueError, match=r"a study of format 1, made by darkclr_ray .*; this version reads format 2"):
        folder.check(SETTINGS, JETS)


@pytest.mark.parametrize(
    ("name", "content", "mend"),
    [
        ("study.json", b"{", "restore it"),
        ("study.json", b"{}", "restore it, or start a new study with --name"),
        ("settings.yaml", b"a: 1", "restore it, or start a new study with --name"),
        ("settings.yaml", b"\xff", "restore it, or start a new study with --name"),
    ],
)
def test_a_damaged_folder_is_refused(folder: StudyFolder, name: str, content: bytes, mend: str) -> None:
    (folder.path / name).write_bytes(content)
    with pytest.raises(ValueError) as refusal:
        folder.check(SETTINGS, JETS)
    assert str(refusal.value).count(str(folder.path / name)) == 1
    assert mend in str(refusal.value)
    assert "--config" not in str(refusal.value)  # nobody gave any


def test_strangers_are_left_alone(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "cat.png").write_text("meow")
    for name, words in (("file", "a file is in the way"), ("photos", "holds cat.png but no study")):
        with pytest.raises(ValueError, match=words):
            StudyFolder(tmp_path / name).claim()
    assert sorted(path.name for path in (tmp_path / "photos").iterdir()) == ["cat.png"]


def test_a_study_in_use_is_refused_until_its_process_is_gone(folder: StudyFolder) -> None:
    program = f"""
import sys, time
from pathlib import Path
from darkclr_ray.study.folder import DERIVED, StudyFolder
folder = StudyFolder(Path({str(folder.path)!r}))
folder.claim()
print("claimed", flush=True)
time.sleep(60)
"""
    other = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)
    assert other.stdout is not None
    try:
        assert other.stdout.readline() == "claimed\n"
        with pytest.raises(ValueError, match=f"being used by process {other.pid}"):
            folder.claim()
    finally:
        other.kill()
        other.wait()
        other.stdout.close()
    folder.claim()
    folder.release()


def test_a_study_that_was_refused_leaves_nothing(tmp_path: Path) -> None:
    folder = StudyFolder(tmp_path / "results" / "scan")
    folder.claim()
    (folder.logs / "ray").mkdir(parents=True)
    folder.release()
    assert list((tmp_path / "results").iterdir()) == []


def test_a_refused_start_takes_its_own_out_of_the_logs_of_a_user(tmp_path: Path) -> None:
    """Slurm writes to logs/ from before there is a study."""
    folder = StudyFolder(tmp_path / "scan")
    folder.logs.mkdir(parents=True)
    (folder.logs / "slurm-7.out").write_text("starting")
    folder.claim()
    (folder.logs / "ray").mkdir()
    for name in ("ray/gcs_server.out", "ray_folder", "study.log"):
        (folder.logs / name).write_text("")
    folder.release()
    assert [path.relative_to(folder.path) for path in folder.path.rglob("*")] == [
        Path("logs"),
        Path("logs/slurm-7.out"),
    ]
    folder.claim()
    folder.release()


@contextmanager
def full_disk() -> Iterator[None]:
    """No file can be written that is longer than nothing, as on a disk without room."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_first_start_on_a_full_disk_leaves_nothing(tmp_path: Path) -> None:
    folder = StudyFolder(tmp_path / "results" / "scan")
    folder.claim()
    with pytest.raises(OSError, match="too large"), full_disk():
        check_shared(folder.path)
    with pytest.raises(OSError, match="too large"), full_disk():
        folder.describe(SETTINGS, "laptop", ["python", "x"], MACHINE, {"jets": {"path": "here", "fingerprints": JETS}})
    assert {path.name for path in folder.path.iterdir()} == {".lock"}
    folder.release()
    assert list((tmp_path / "results").iterdir()) == []


def test_a_folder_without_room_for_a_lock_is_refused(tmp_path: Path) -> None:
    folder = StudyFolder(tmp_path / "scan")
    with (
        full_disk(),
        pytest.raises(ValueError, match=r"scan: cannot be locked \(File too large\); choose another --out"),
    ):
        folder.claim()
    folder.claim()
    folder.release()


def test_a_file_system_without_locks_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*_: object) -> None:
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))  # no file system at hand says so

    monkeypatch.setattr(fcntl, "flock", unknown)
    with pytest.raises(ValueError, match=r"scan: cannot be locked \(Function not implemented\); choose another --out"):
        StudyFolder(tmp_path / "scan").claim()


def test_a_first_start_that_was_killed_is_no_stranger(tmp_path: Path) -> None:
    folder = StudyFolder(tmp_path / "results" / "scan")
    for name in ("logs/ray", "stages"):
        (folder.path / name).mkdir(parents=True)
    for name in (".lock", ".shared-0123", ".shared-0123-42", ".study.json.partial", "logs/ray_folder"):
        (folder.path / name).write_text("")
    folder.check_location(SETTINGS)
    folder.claim()
    folder.release()
    assert list((tmp_path / "results").iterdir()) == []


def test_a_study_without_its_settings_has_not_begun_or_is_damaged(folder: StudyFolder) -> None:
    (folder.path / "settings.yaml").unlink()
    with pytest.raises(ValueError, match=r"settings\.yaml: no such file; restore it"):
        folder.check(SETTINGS, JETS)
    folder.store.folder.rmdir()  # which `describe` makes last
    folder.check(SETTINGS, JETS)


def test_stages_without_a_study_are_left_alone(tmp_path: Path) -> None:
    (tmp_path / "scan" / "stages" / "scores").mkdir(parents=True)
    folder = StudyFolder(tmp_path / "scan")
    with pytest.raises(ValueError, match="holds stages but no study"):
        folder.claim()
    folder.release()
    assert (tmp_path / "scan" / "stages" / "scores").is_dir()


def test_the_best_trial(folder: StudyFolder) -> None:
    assert folder.best() is None
    for number, (state, objective) in enumerate(
        [("COMPLETE", 1.0), ("FAIL", None), ("COMPLETE", 2.0), ("COMPLETE", 2.0)]
    ):
        write_json(folder.trials / f"{number:04d}.json", {"number": number, "state": state, "objective": objective})
    best = folder.best()
    assert best is not None
    assert best.number == 2  # the first of two equal ones


def test_the_files_of_trials_are_read_once(folder: StudyFolder) -> None:
    """The end of a trial would otherwise take the longer the more trials there are."""
    for number in range(2):
        folder.write_trial(TrialRecord(number=number, state="FAIL"))
    assert [trial.number for trial in folder.trial_records()] == [0, 1]
    (folder.trials / "0000.json").write_text("damaged")
    assert [trial.number for trial in folder.trial_records()] == [0, 1]
    with pytest.raises(ValueError, match=r"0000\.json cannot be read"):
        StudyFolder(folder.path).trial_records()
    folder.write_trial(TrialRecord(number=0, state="COMPLETE", objective=1.0))
    folder.write_trial(TrialRecord(number=2, state="COMPLETE", objective=2.0))
    assert [trial.state for trial in folder.trial_records()] == ["COMPLETE", "FAIL", "COMPLETE"]
    best = folder.best()
    assert best is not None
    assert best.number == 2


def test_settings_are_written_complete(folder: StudyFolder) -> None:
    import yaml

    there = yaml.safe_load((folder.path / "settings.yaml").read_text())
    assert StudySettings.model_validate(there) == SETTINGS
    assert there == json.loads(SETTINGS.model_dump_json())
