"""Files of strangers hold data and run no code; names in them lead nowhere else.

Elsewhere: HTML that came from a file or a user (tests/reports/test_page.py), names on the command line
(tests/test_bad_input.py), HDF5 (tests/jets/imports/test_hdf5_tables.py), models (tests/detectors/test_models.py);
tokens, and where dashboards listen (tests/cluster/test_metrics.py, slow).
"""

from __future__ import annotations

import ast
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import darkclr_ray
from darkclr_ray.settings import StudySettings
from darkclr_ray.store.stages import Store
from darkclr_ray.training.checkpoint import CHECKPOINT, resume

SOURCES = sorted(Path(darkclr_ray.__file__).parent.rglob("*.py"))
RUN_CODE = {
    "pickle.load",
    "pickle.loads",
    "pickle.Unpickler",
    "cloudpickle.load",
    "cloudpickle.loads",
    "joblib.load",
    "marshal.loads",
    "pandas.read_pickle",
    "yaml.unsafe_load",
    "yaml.full_load",
    "os.system",
    "eval",
    "exec",
}


class Harmful:
    """Makes a folder when it is unpickled."""

    def __init__(self, made: Path) -> None:
        self.made = made

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.made),)


def calls(path: Path) -> list[tuple[str, ast.Call]]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return [(ast.unparse(node.func), node) for node in ast.walk(tree) if isinstance(node, ast.Call)]


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(SOURCES[0].parent)))
def test_nothing_in_the_package_runs_what_a_file_says(path: Path) -> None:
    for name, call in calls(path):
        keywords = {keyword.arg: ast.unparse(keyword.value) for keyword in call.keywords}
        assert name not in RUN_CODE, f"line {call.lineno}"
        assert keywords.get("allow_pickle", "False") == "False", f"line {call.lineno}"
        assert keywords.get("shell", "False") == "False", f"line {call.lineno}"
        if name == "torch.load":
            assert keywords.get("weights_only") == "True", f"line {call.lineno}"


def test_a_checkpoint_with_code_in_it_is_refused(tmp_path: Path) -> None:
    made = tmp_path / "made"
    torch.save({"key": "", "history": "[]", "state": Harmful(made)}, tmp_path / CHECKPOINT)
    training: Any = type("Toy", (), {"device": torch.device("cpu")})()
    with pytest.raises(ValueError, match="holds code, which is not run; delete it to train again"):
        resume(tmp_path, training, writes=False)
    assert not made.exists()
    torch.load(tmp_path / CHECKPOINT, weights_only=False)  # it would have
    assert made.is_dir()


def test_arrays_with_code_in_them_are_refused(tmp_path: Path) -> None:
    made = tmp_path / "made"
    np.save(tmp_path / "z.npy", np.array([Harmful(made)], dtype=object), allow_pickle=True)
    with pytest.raises(ValueError):
        np.load(tmp_path / "z.npy", mmap_mode="r")
    assert not made.exists()


@pytest.mark.parametrize("name", ["../../elsewhere", "/etc", "", ".", "0" * 31, "0" * 32 + ".partial"])
def test_no_stage_is_outside_of_the_store(name: str, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    store = tmp_path / "study" / "stages"
    store.mkdir(parents=True)
    with pytest.raises(ValueError, match="no name of a stage"):
        Store(store).find("scores", name)


@pytest.mark.parametrize("name", ["../up", "/tmp/x", "a/b", "..", "", ".hidden", "a\n", "a\x00b"])
def test_no_name_leaves_the_results_folder(name: str) -> None:
    for setting in ("name", "background"):
        with pytest.raises(ValueError, match=setting):
            StudySettings.model_validate({setting: name})
