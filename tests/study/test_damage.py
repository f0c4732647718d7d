"""One flipped bit, or a missing file, in anything that a study wrote: noticed by every reader, and computed again."""

from __future__ import annotations

import json
import random
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from darkclr_ray.detectors.models import load_model
from darkclr_ray.integrity import check_sealed
from darkclr_ray.reports import build
from darkclr_ray.runtime.cached_trainer import read_array
from darkclr_ray.settings import StudySettings
from darkclr_ray.store.files import read_json, write_json
from darkclr_ray.store.stages import Store
from darkclr_ray.study.folder import StudyFolder
from darkclr_ray.study.journal import check_journal, restore_trials
from darkclr_ray.study.records import StudyRecord
from darkclr_ray.study.repair import delete_damaged
from darkclr_ray.study.results import StudyResults
from darkclr_ray.study.samplers import SharedEncoderSampler
from darkclr_ray.study.scan import EmbeddingScan
from darkclr_ray.study.search import StudySearch, open_storage
from darkclr_ray.study.space import Space
from darkclr_ray.study.study_files import read_settings
from darkclr_ray.training.checkpoint import CHECKPOINT, load_checkpoint
from darkclr_ray.training.loop import run_training

from ..training import toy
from .conftest import perform

SEED = 20261129

Reader = Callable[[Path], object]
"""Reads one file of a study as the package does. Raises ValueError or returns None where it notices damage."""


def stage(path: Path) -> object:
    return Store(path.parents[2]).find(path.parts[-3], path.parts[-2])


def model(path: Path) -> object:
    return [load_model(path.parent, name) for name in ("s_NAE", "s_CLR", "s_AE")]


def derived(path: Path) -> object:
    about = StudyRecord.read(path.parent / "study.json")
    return StudyResults(path.parent, about, StudySettings(), ()).derived(path.name)


KINDS: dict[str, tuple[str, Reader]] = {
    "scores (scores.parquet)": ("stages/scores/*/scores.parquet", stage),
    "scores of views (views.npz)": ("stages/scores/*/views.npz", stage),
    "weights in stages": ("stages/[re]*/*/*.safetensors", stage),
    "histories": ("stages/*/*/history.jsonl", stage),
    "evaluations": ("stages/evaluation/*/evaluation.json", stage),
    "descriptions of stages": ("stages/*/*/stage.json", stage),
    "representations (*.npy)": ("stages/representation/*/*.npy", read_array),
    "jets.parquet": ("jets.parquet", derived),
    "examples.npz": ("examples.npz", derived),
    "model: weights": ("best/*.safetensors", model),
    "model: settings.yaml": ("best/settings.yaml", model),
    "model: metrics.json": ("best/metrics.json", model),
    "model: model.json": ("best/model.json", model),
    "trials (JSON)": ("trials/*.json", read_json),
    "references.json": ("references.json", read_json),
    "study.json": ("study.json", read_json),
    "settings.yaml": ("settings.yaml", read_settings),
    "optuna.log": ("optuna.log", lambda path: check_journal(path) or True),
    "checkpoints": (CHECKPOINT, lambda path: load_checkpoint(path, torch.device("cpu"))),
}


@pytest.fixture(scope="module")
def written(scan: EmbeddingScan, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of a finished scan, with the checkpoint of a training in it."""
    folder = tmp_path_factory.mktemp("damage") / "scan"
    shutil.copytree(scan.folder.path, folder, ignore=shutil.ignore_patterns("logs", "report"))
    run_training(toy.energy_training(), folder=folder.parent / "training")
    shutil.copy(folder.parent / "training" / CHECKPOINT, folder)
    return folder


def flip(path: Path, chance: random.Random) -> str:
    """Turn one bit of a file; return which."""
    content = bytearray(path.read_bytes())
    place, bit = chance.randrange(len(content)), chance.randrange(8)
    content[place] ^= 1 << bit
    path.write_bytes(bytes(content))
    return f"{path}: bit {bit} of byte {place}"


def noticed(read: Reader, path: Path) -> bool:
    """Return whether a reader notices damage and names what is damaged. Any error but ValueError ends the test."""
    try:
        return read(path) is None
    except ValueError as error:
        return path.name in str(error) or str(path.parent) in str(error)


def silent_flips(folder: Path, kind: str, count: int) -> list[str]:
    """Turn bits of files of one kind, one at a time; return those that its reader does not notice."""
    pattern, read = KINDS[kind]
    chance = random.Random(f"{SEED} {kind}")
    files = [path for path in sorted(folder.glob(pattern)) if path.stat().st_size]  # some histories are empty
    assert files, kind
    found = []
    for number in range(count):
        path = files[number % len(files)]
        before = path.read_bytes()
        assert not noticed(read, path), path
        turned = flip(path, chance)
        found += [] if noticed(read, path) else [turned]
        path.write_bytes(before)
    return found


@pytest.mark.parametrize("kind", KINDS)
def test_a_flipped_bit_is_noticed(kind: str, written: Path) -> None:
    assert silent_flips(written, kind, 4) == []


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_many_flipped_bits_are_noticed(kind: str, written: Path) -> None:
    """Together 19 x 24 = 456 flips."""
    assert silent_flips(written, kind, 24) == []


def copy_of(scan: EmbeddingScan, out: Path, **search: Any) -> EmbeddingScan:
    """The same study in another folder."""
    shutil.copytree(scan.folder.path, out / "scan", ignore=shutil.ignore_patterns("logs", "report"))
    settings = scan.settings.updated({"out": str(out), "name": "scan", "search": search})
    (out / "scan" / "logs").mkdir()
    return EmbeddingScan(settings, "laptop", ["embedding_scan"])


def facts(folder: StudyFolder) -> list[dict[str, Any]]:
    """What the trials' files say, but for the time that they took."""
    unequal = {"seconds": True, "execution": True, "objectives": {"seconds"}}
    return [trial.model_dump(exclude=unequal) for trial in folder.trial_records()]


def next_point(scan: EmbeddingScan) -> dict[str, Any]:
    """Where a study would search next."""
    space = Space(scan.settings)
    sampler = SharedEncoderSampler(scan.settings.search, space, scan.settings.seed)
    point: dict[str, Any] = StudySearch(
        scan.settings, space, open_storage(scan.folder.optuna), sampler, lambda ending: {}
    ).suggest("next")
    return point


def test_a_damaged_study_is_completed_and_searches_the_same_points(scan: EmbeddingScan, tmp_path: Path) -> None:
    """Damage everywhere at once. The results are those of the undisturbed study, and so is the next trial's point."""
    chance = random.Random(SEED)
    expected, point = facts(scan.folder), next_point(copy_of(scan, tmp_path / "undisturbed"))
    best = scan.folder.best()
    assert best is not None
    damaged = copy_of(scan, tmp_path / "damaged", trials=4)
    path, stages = damaged.folder.path, best.stages
    kept = {p.relative_to(path): p.read_bytes() for p in path.glob("stages/*/*/*.[ps]a*")}
    flips: Sequence[Path] = (
        path / "trials" / "0001.json",
        path / "jets.parquet",
        path / "best" / "encoder.safetensors",
        path / "references.json",
        path / "stages" / "scores" / stages["scores"] / "scores.parquet",
        next((path / "stages" / "energy" / stages["energy"]).glob("*.safetensors")),
    )
    for file in flips:
        flip(file, chance)
    (path / "trials" / "0002.json").unlink()
    shutil.rmtree(path / "stages" / "evaluation" / best.stages["evaluation"])
    lines: list[str] = []
    delete_damaged(damaged.folder, lines.append)
    assert len(lines) == len(flips)
    for file in flips:
        assert any(line == f"{owner}: damaged; it is computed again" for line in lines for owner in (file, file.parent))
    assert not damaged.finished()
    perform(damaged)
    assert facts(damaged.folder)[:3] == expected
    assert damaged.folder.trial_records()[3].parameters == point["parameters"]
    assert {name: (path / name).read_bytes() for name in kept} == kept
    assert damaged.finished()
    delete_damaged(damaged.folder, lines.append)
    assert len(lines) == len(flips)
    assert build(path).stat().st_size > 10000


def test_a_damaged_journal_is_made_again_from_the_trials_files(scan: EmbeddingScan, tmp_path: Path) -> None:
    point = next_point(copy_of(scan, tmp_path / "undisturbed"))
    damaged = copy_of(scan, tmp_path / "damaged")
    flip(damaged.folder.optuna, random.Random(SEED))
    lines: list[str] = []
    delete_damaged(damaged.folder, lines.append)
    assert lines == [f"{damaged.folder.optuna}: damaged; it is computed again"]
    storage = open_storage(damaged.folder.optuna)
    known = (
        damaged.settings.name,
        damaged.folder.trial_records(),
        Space(damaged.settings),
    )
    assert restore_trials(storage, *known)
    assert not restore_trials(storage, *known)
    assert next_point(damaged) == point


def test_trials_that_were_at_work_are_asked_for_first(scan: EmbeddingScan, tmp_path: Path) -> None:
    """Of three trials at a time, only the last has ended: the others keep their numbers, the first its point."""
    settings, storage = scan.settings.updated({"search": {"delay": 8}}), open_storage(tmp_path / "optuna.log")
    records = [scan.folder.trial_records()[2]]
    assert restore_trials(storage, settings.name, records, Space(settings))
    space = Space(settings)
    sampler = SharedEncoderSampler(settings.search, space, settings.seed)
    searcher = StudySearch(settings, space, storage, sampler, lambda ending: {})
    asked = [searcher.suggest(f"{number}") for number in range(3)]
    assert [trial["number"] for trial in asked] == [0, 1, 3]
    assert asked[0]["parameters"] == space.first_point()


def test_a_study_of_an_earlier_version_is_refused_in_a_sentence(scan: EmbeddingScan, tmp_path: Path) -> None:
    old = copy_of(scan, tmp_path)
    path = old.folder.path / "study.json"
    path.write_text(json.dumps(read_json(path)))
    with pytest.raises(ValueError, match=r"study\.json has no checksum: .* before 0\.2; .*--name"):
        old.folder.check(old.settings, {})


def test_content_is_what_is_verified(tmp_path: Path) -> None:
    """Cut off, made longer, without its checksum, with that of another file: each is damage."""
    path, other = tmp_path / "a.json", tmp_path / "b.json"
    write_json(path, {"a": [1, 2.5, None], "b": "é"})
    write_json(other, {"a": [1, 2.5, None], "b": "e"})
    content = path.read_text()
    assert read_json(path) == {"a": [1, 2.5, None], "b": "é"}
    moved = json.dumps({**json.loads(content), "blake2b": json.loads(other.read_text())["blake2b"]}, indent=2) + "\n"
    for changed in (content[:-1], content + "\n", moved, json.dumps(json.loads(content)), "{}", "[]", "3"):
        path.write_text(changed)
        with pytest.raises(ValueError, match=r"a\.json .*start a new study with --name"):
            read_json(path)
    array = tmp_path / "array.npy"
    np.save(array, np.arange(3))
    with pytest.raises(ValueError, match="damaged"):
        check_sealed(array)
