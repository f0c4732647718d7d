"""What readers find beside the trials."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

from darkclr_ray.jets.packed import Jets
from darkclr_ray.settings import InputSettings
from darkclr_ray.study.artifacts import write_examples, write_jets


def test_every_judged_jet_has_a_row(tmp_path: Path, toy_jets: Callable[..., Jets]) -> None:
    jets = {"validation": {"qcd": toy_jets(20, 1)}, "test": {"qcd": toy_jets(30, 2), "aachen": toy_jets(10, 3)}}
    write_jets(tmp_path / "jets.parquet", jets)
    table = pq.read_table(tmp_path / "jets.parquet").to_pandas()
    assert len(table) == 60
    rows = table[(table["split"] == "test") & (table["sample"] == "aachen")]
    aachen = jets["test"]["aachen"]
    np.testing.assert_array_equal(rows["jet_id"], aachen.ids)
    np.testing.assert_array_equal(rows["multiplicity"], aachen.multiplicity)
    np.testing.assert_array_equal(rows["mass"], aachen.mass)


def test_examples_are_views_of_one_jet(tmp_path: Path, toy_jets: Callable[..., Jets]) -> None:
    path = tmp_path / "examples.npz"
    write_examples(path, toy_jets(50, 1), InputSettings(constituents=50), seed=1)
    with np.load(path) as views:
        assert views.files[0] == "original"
        original = views["original"]
        assert abs(len(original) - 40) < 10
        for name in views.files:
            assert views[name].dtype == np.float32
            assert views[name].shape[1] == 3
        assert len(views["dropping_0.5"]) < len(views["dropping_0.3"]) < len(original) < len(views["splitting"])
        np.testing.assert_array_equal(views["rotation"][:, 0], original[:, 0])
    assert sorted(tmp_path.iterdir()) == [path]
