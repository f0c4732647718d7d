"""Jets that are larger than the object stores of the nodes that train on them."""

from __future__ import annotations

import re
import shutil
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from darkclr_ray.jets.packed import Jets
from darkclr_ray.jets.schema import to_table

from .nodes import Nodes
from .study_run import StudyRun

pytestmark = pytest.mark.slow

SMALLEST = 80 * 2**20
"""Ray wants 75 MiB."""

JETS, CONSTITUENTS = 40_000, 220


def many_jets() -> Jets:
    """106 MB of them."""
    random = np.random.default_rng(1)
    shape = (JETS, CONSTITUENTS)
    pt = -np.sort(-random.exponential(1.0, shape) - 0.5, axis=1)
    angles = random.normal(0.0, 0.2, (2, *shape)).clip(-0.7, 0.7)
    constituents = np.stack([pt, *angles], axis=2).reshape(-1, 3).astype(np.float32)
    ids = np.arange(JETS, dtype=np.int64) + 2**40
    kinematics = np.column_stack([pt.sum(axis=1), np.zeros((JETS, 2)), np.full(JETS, 20.0)]).astype(np.float32)
    return Jets(constituents, np.arange(JETS + 1, dtype=np.int64) * CONSTITUENTS, ids, ids, kinematics)


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory, jet_folder: Path) -> Path:
    folder = tmp_path_factory.mktemp("large") / "jets"
    shutil.copytree(jet_folder, folder)
    table = to_table(many_jets(), "qcd")
    pq.write_table(table, folder / "train" / "qcd" / "shard-00000.parquet", row_group_size=1000, compression="none")
    return folder


@pytest.fixture(scope="module")
def nodes() -> Iterator[Nodes]:
    nodes = Nodes(2, object_store=SMALLEST)
    yield nodes
    nodes.shutdown()


def on_disk(nodes: Nodes) -> float:
    """Bytes of objects that did not fit, on all nodes."""
    size = 0.0
    for address in nodes.metrics:
        with urllib.request.urlopen(address, timeout=5) as answer:
            text = answer.read().decode()
        for place, value in re.findall(r'^ray_object_store_memory\{.*Location="(\w+)".*\} (\S+)$', text, re.MULTILINE):
            size += float(value) if place in ("MMAP_DISK", "SPILLED") else 0.0
    return size


@pytest.fixture
def enough(tmp_path: Path, run: StudyRun) -> StudyRun:
    """The same study on this machine, whose object store has room for all jets."""
    enough = StudyRun(tmp_path / "enough", Path(run.options["--jets"]), [])
    enough.options |= {name: value for name, value in run.options.items() if name not in ("--address", "--out")}
    return enough


@pytest.fixture
def run(run: StudyRun, large: Path, nodes: Nodes) -> StudyRun:
    """On the nodes, one trial as short as can be."""
    run.options |= {"--jets": str(large), "--trials": "1", "--inputs.constituents": "5"}
    run.options |= {"--contrastive.epochs": "1", "--contrastive.batch_size": "2000", "--nae.batch_size": "4000"}
    run.options |= {"--nae.reconstruction_epochs": "1", "--nae.divergence_epochs": "1"}
    run.options |= {"--compute.cpus_per_worker": "1", "--address": nodes.address}
    return run


def test_jets_that_do_not_fit_go_to_the_disk(run: StudyRun, enough: StudyRun, nodes: Nodes, witness: Any) -> None:
    run.start()
    run.until(lambda: list(run.folder.glob("logs/measuring.log")))
    with witness("the object store smaller than the jets", run):
        run.until(lambda: on_disk(nodes) > 0)
    run.finish()
    nodes.shutdown()
    enough.start()
    enough.finish()
    assert [trial["state"] for trial in run.trials()] == ["COMPLETE"]
    assert run.scores() == enough.scores()
