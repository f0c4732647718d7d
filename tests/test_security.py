"""Files of strangers hold data and run no code; names in them lead nowhere else.

Elsewhere: HTML that came from a file or a user (tests/reports/test_page.py), names on the command line
(tests/test_bad_input.py), HDF5 (tests/jets/importers/test_hdf5_tables.py), models (tests/detectors/test_models.py);
tokens, and where dashboards listen (tests/cluster/test_metrics.py, slow).
"""

from __future__ import annotations

import ast
import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import darkclr_ray
from darkclr_ray.integrity import write_sealed
from darkclr_ray.jets.packed import TrainingSample
from darkclr_ray.reports import build
from darkclr_ray.runtime.cached_trainer import CachedTrainer
from darkclr_ray.runtime.worker_loop import WorkerContext
from darkclr_ray.settings import StudySettings
from darkclr_ray.store.stages import Store
from darkclr_ray.training.checkpoint import CHECKPOINT, resume

from .reports.make_study import make_study
from .training import toy

SOURCES = sorted(Path(darkclr_ray.__file__).parent.rglob("*.py"))
RUN_CODE = {
    *("eval", "exec", "compile"),
    *("os.system", "os.popen", "subprocess.getoutput", "subprocess.getstatusoutput"),
    *("joblib.load", "pandas.read_pickle"),
    *(f"yaml.{name}" for name in ("unsafe_load", "unsafe_load_all", "full_load", "full_load_all")),
    *(f"yaml.{name}" for name in ("Loader", "UnsafeLoader", "FullLoader", "CLoader", "CUnsafeLoader", "CFullLoader")),
}
PICKLES = {"pickle", "_pickle", "cloudpickle", "dill", "marshal", "shelve"}
"""Modules of which nothing may be used, but the name of an error, and a reader that refuses every name in a pickle."""


class Harmful:
    """Makes a folder when it is unpickled."""

    def __init__(self, made: Path) -> None:
        self.made = made

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.made),)


def risks(source: str) -> list[str]:
    """What in a program may run what a file says, whatever it is imported as."""
    nodes = list(ast.walk(ast.parse(source)))
    origins, found = {}, []
    for node in nodes:
        if isinstance(node, ast.Import):
            origins |= {name.asname: name.name for name in node.names if name.asname}
        elif isinstance(node, ast.ImportFrom):
            origins |= {name.asname or name.name: f"{node.module}.{name.name}" for name in node.names}

    def full_name(node: ast.AST) -> str:
        if isinstance(node, ast.Attribute):
            return f"{full_name(node.value)}.{node.attr}"
        return origins.get(node.id, node.id) if isinstance(node, ast.Name) else "?"

    classes = [node for node in nodes if isinstance(node, ast.ClassDef)]
    refusing = [node for node in classes if "find_class" in {getattr(part, "name", "") for part in node.body}]
    harmless = {base for node in refusing for base in node.bases if full_name(base) == "pickle.Unpickler"}
    names = {node: full_name(node) for node in nodes if isinstance(node, ast.Name | ast.Attribute)}
    for node, name in names.items():
        of_pickles = "." in name and name.split(".")[0] in PICKLES and name != "pickle.UnpicklingError"
        if node not in harmless and (of_pickles or name in RUN_CODE):
            found.append(f"line {node.lineno}: {name}")
    for call in (node for node in nodes if isinstance(node, ast.Call)):
        name, keywords = names.get(call.func), {keyword.arg: ast.unparse(keyword.value) for keyword in call.keywords}
        wrong = [f"{key}={keywords[key]}" for key in ("allow_pickle", "shell") if keywords.get(key, "False") != "False"]
        if name == "numpy.load" and len(call.args) > 2:
            wrong.append("allow_pickle by its place")
        if name == "torch.load" and keywords.get("weights_only") != "True":
            wrong.append("not weights_only")
        found += [f"line {call.lineno}: {name}, {what}" for what in wrong]
    return found


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(SOURCES[0].parent)))
def test_nothing_in_the_package_runs_what_a_file_says(path: Path) -> None:
    assert risks(path.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(
    "program",
    [
        "eval(text)",
        "import os\nos.popen(text)",
        "from os import system as run\nrun(text)",
        "import subprocess\nsubprocess.run(text, shell=True)",
        "from pickle import loads\nloads(content)",
        "import pickle as p\nread = p.load",
        "import pickle\npickle.Unpickler(file).load()",
        "import pickle\nclass Reader(pickle.Unpickler):\n    pass",
        "import marshal\nmarshal.loads(content)",
        "import pandas as pd\npd.read_pickle(path)",
        "import joblib\njoblib.load(path)",
        "import yaml\nyaml.load(text, Loader=yaml.UnsafeLoader)",
        "from yaml import Loader as Safe, load\nload(text, Safe)",
        "import numpy as np\nnp.load(path, None, True)",
        "import numpy as np\nnp.load(path, allow_pickle=True)",
        "import torch\ntorch.load(path)",
    ],
)
def test_what_would_is_found(program: str) -> None:
    assert len(risks(program)) == 1


def test_data_are_no_risk() -> None:
    assert risks("import yaml, numpy as np, torch\nyaml.safe_load(text), np.load(path, 'r'), model.eval()") == []


def test_code_in_a_checkpoint_is_not_run(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    made = tmp_path / "made"
    content = {"key": "", "history": "[]", "state": Harmful(made)}
    write_sealed(tmp_path / CHECKPOINT, lambda file: torch.save(content, file))  # with the right checksum
    training: Any = type("Toy", (), {"device": torch.device("cpu"), "history": []})()
    resume(tmp_path, training, writes=False)
    assert "holds code, which is not run" in caplog.text
    assert training.history == []
    assert not made.exists()
    torch.load(tmp_path / CHECKPOINT, weights_only=False)  # it would have
    assert made.is_dir()


def test_examples_with_code_in_them_are_refused(tmp_path: Path) -> None:
    study, made = make_study(tmp_path / "toy", background=600, signal=100, replicas=6), tmp_path / "made"
    np.savez(study / "examples.npz", original=np.array([Harmful(made)], dtype=object))
    with pytest.raises(ValueError, match=r"examples\.npz cannot be read"):
        build(study)
    assert not made.exists()
    with np.load(study / "examples.npz", allow_pickle=True) as views:
        assert views["original"].size == 1
    assert made.is_dir()  # it would have


def test_representations_with_code_in_them_are_refused(tmp_path: Path) -> None:
    training, jets, made = toy.encoder_training(), toy.toy_jets(20), tmp_path / "made"
    store, place, sample = Store(tmp_path), WorkerContext("job", 0, 1, toy.CPU), TrainingSample(jets)
    runner = CachedTrainer(store, place, source=None, sample=sample, precision="float32", data_cpus=1.0)
    folder = runner.stage(training).folder
    folder.mkdir(parents=True)
    z = runner.represent(training, jets).copy()  # the file that it maps is written over
    (path,) = folder.glob("head-*.npy")
    np.save(path, np.array([Harmful(made)], dtype=object))
    harmful = shutil.copy(path, tmp_path)
    np.testing.assert_array_equal(runner.represent(training, jets), z)  # as if nothing lay there
    assert not made.exists()
    np.load(harmful, allow_pickle=True)  # it would have
    assert made.is_dir()


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
