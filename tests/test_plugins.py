"""Other people's code by entry point of an installed package and by module:name, and what is said where it fails."""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from darkclr_ray import plugins
from darkclr_ray.augmentations import registry as augmentations
from darkclr_ray.detectors import registry as detectors
from darkclr_ray.jets.generation.samples import parse_sample
from darkclr_ray.settings import InputSettings, StudySettings, ViewSettings
from darkclr_ray.store.fingerprints import code_fingerprint
from darkclr_ray.study import objectives

CODE = '''
import numpy as np
from darkclr_ray.detectors.observable import ObservableCut
from darkclr_ray.jets.generation.samples import PythiaProcess

TOPS = PythiaProcess(name="tops", settings=("Top:gg2ttbar = on",))


class Same:
    """Leaves jets as they are."""

    draws_of_views = (0, 1, 2)

    @classmethod
    def from_settings(cls, views, inputs):
        return cls()

    def __call__(self, constituents, offsets, draws):
        return constituents.copy(order="K"), offsets.copy()


class Lightest(ObservableCut):
    name, title = "lightest", "small mass"

    def score(self, jets):
        return -jets.mass.astype(np.float64)


def third(objective_input):
    return 1 / 3


nothing = 3
'''

ENTRY_POINTS = """
[darkclr_ray.augmentations]
same = their_jets:Same
gone = their_jets:Gone
[darkclr_ray.detectors]
lightest = their_jets:Lightest
[darkclr_ray.objectives]
third = their_jets:third
[darkclr_ray.samples]
their_tops = their_jets:TOPS
"""


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An installed package, as pip leaves it."""
    (tmp_path / "their_jets.py").write_text(CODE)
    info = tmp_path / "their_jets-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: their-jets\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(ENTRY_POINTS)
    monkeypatch.syspath_prepend(str(tmp_path))
    importlib.invalidate_caches()
    plugins._announced.cache_clear()
    yield tmp_path
    sys.modules.pop("their_jets", None)
    plugins._announced.cache_clear()


@pytest.mark.usefixtures("package")
def test_what_a_package_announces_is_a_name_like_ours() -> None:
    assert "same" in augmentations.names()
    assert augmentations.find("same") is augmentations.find("their_jets:Same")
    assert detectors.find("lightest") is detectors.find("their_jets:Lightest")
    objectives.check("third")
    assert objectives.find("third", ["aachen"])(None) == pytest.approx(1 / 3)  # type: ignore[arg-type]
    assert plugins.module_of("objectives", "third") == "their_jets"
    assert parse_sample("their_tops") is parse_sample("their_jets:TOPS")
    assert ViewSettings(anomalous=("same", "their_jets:Same")).anomalous == ("same", "their_jets:Same")


@pytest.mark.parametrize(
    ("find", "entry", "words"),
    [
        (augmentations.find, "sam", "unknown augmentation 'sam'; did you mean 'same'"),
        (augmentations.find, "gone", "of the package their-jets cannot be imported: .*Gone"),
        (augmentations.find, "their_jets:Lightest", "it has no draws_of_views"),
        (augmentations.find, "their_jets:nothing", "has no draws_of_views, from_settings, __call__"),
        (detectors.find, "their_jets:Same", "is not a class derived from"),
        (detectors.find, "thier_jets:Same", "No module named 'thier_jets'; expected module:name"),
        (detectors.find, "their_jets:Sam", "has no attribute 'Sam'"),
        (detectors.find, "lightset", "did you mean 'lightest'"),
        (lambda name: objectives.find(name, ["a", "b"]), "their_jets:nothing", "it is not a function"),
        (lambda name: objectives.find(name, ["a", "b"]), "thrid", "did you mean 'third'"),
    ],
)
@pytest.mark.usefixtures("package")
def test_what_is_not_there_is_explained(find, entry: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        find(entry)


def test_a_module_that_breaks_is_explained(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "broken_jets.py").write_text("1 / 0\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(ValueError, match="detector 'broken_jets:Mine': ZeroDivisionError: division by zero"):
        detectors.find("broken_jets:Mine")


def test_the_working_folder_is_seen_after_all_other_places(tmp_path: Path) -> None:
    (tmp_path / "local_jets.py").write_text(CODE)
    (tmp_path / "random.py").write_text("raise RuntimeError")
    program = """
import sys
from darkclr_ray.augmentations.registry import find
import random
print(find("local_jets:Same").__name__, sys.path[-1])
"""
    done = subprocess.run([sys.executable, "-P", "-c", program], cwd=tmp_path, capture_output=True, text=True)
    assert done.stdout.split() == ["Same", str(tmp_path)], done.stderr


def test_a_worker_has_the_folders_that_its_node_has(tmp_path: Path) -> None:
    program = """
import os, sys
from darkclr_ray.plugins import enter_working_folder
enter_working_folder()
print(os.getcwd(), sys.path[-2:])
"""
    there, script = tmp_path / "there", tmp_path / "script"
    for folder in (there, script):
        folder.mkdir()
    for folders, expected in (
        ([there, script], f"{there} {[str(there), str(script)]}"),
        ([tmp_path / "elsewhere", script], f"{script}"),
    ):
        environment = {**os.environ, "DARKCLR_IMPORT_FOLDERS": os.pathsep.join(map(str, folders))}
        command = [sys.executable, "-P", "-c", program]
        done = subprocess.run(command, env=environment, cwd="/", capture_output=True, text=True, check=True)
        assert done.stdout.startswith(expected)


@pytest.mark.slow
def test_workers_see_the_working_folder_after_all_other_places(tmp_path: Path) -> None:
    """Also modules of Python that a worker has not imported before, in workers and in Ray's own processes."""
    (tmp_path / "local_jets.py").write_text(CODE)
    (tmp_path / "logs").mkdir()
    for name in ("random", "calendar", "queue", "types", "cProfile"):
        (tmp_path / f"{name}.py").write_text("raise RuntimeError")
    program = """
import os, sys
from pathlib import Path
import ray
from darkclr_ray.runtime.cluster import running_ray
from darkclr_ray.settings import ComputeSettings

def look():
    import calendar, cProfile, local_jets
    return os.getcwd(), sys.path[-1], local_jets.nothing

class Looker:
    def look(self):
        return look()

with running_ray(ComputeSettings(), Path("logs/ray"), 10**8):
    found = {*ray.get(ray.remote(look).remote()), *ray.get(ray.remote(Looker).remote().look.remote())}
print(sorted(map(str, found)))
"""
    done = subprocess.run([sys.executable, "-P", "-c", program], cwd=tmp_path, capture_output=True, text=True)
    assert done.stdout.strip() == str(["3", str(tmp_path)]), done.stderr


def test_their_code_counts_in_what_is_stored(package: Path) -> None:
    views = ViewSettings(anomalous=("same", "rotation"))
    assert augmentations.plugin_modules(views) == ("their_jets",)
    assert augmentations.plugin_modules(ViewSettings()) == ()
    before = code_fingerprint(*augmentations.plugin_modules(views))
    path = package / "their_jets.py"
    path.write_text(CODE.replace("constituents.copy(", "1 * constituents.copy("))
    os.utime(path, ns=(0, path.stat().st_mtime_ns + 10**9))
    assert code_fingerprint(*augmentations.plugin_modules(views)) != before


def test_a_transformation_of_theirs_makes_views(package: Path, toy_jets) -> None:
    from darkclr_ray.augmentations.views import make_views

    jets = toy_jets(20)
    settings = StudySettings.model_validate({"views": {"anomalous": ("same",)}})
    batch = make_views(jets, settings.views, InputSettings(), seed=1, epoch=0)
    anomalous = batch.constituents[batch.offsets[2 * len(jets)] :]
    plain = make_views(jets, ViewSettings(anchor=(), positive=(), anomalous=()), InputSettings(), seed=1, epoch=0)
    assert anomalous.tolist() == plain.constituents[: len(anomalous)].tolist()
