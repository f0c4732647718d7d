"""Folders beside a study's own: signals of a grid and variants of the background, judged and never trained on."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from darkclr_ray.jets.folder import open_jets
from darkclr_ray.jets.generation.samples import AnySample, grid_point, parse_sample
from darkclr_ray.jets.packed import Jets
from darkclr_ray.jets.shards import write_shard
from darkclr_ray.settings import StudySettings
from darkclr_ray.study.jets import open_study_jets

Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path, toy_jets: Callable[..., Jets]) -> Write:
    """Writes toy jets as if they were those of a sample."""
    seeds = iter(range(100))

    def write(folder: str, split: str, name: str, sample: AnySample, **notes: Any) -> Path:
        path = tmp_path / folder / split / name / "shard-00000.parquet"
        write_shard(path, toy_jets(40, seed=next(seeds)), name, {"sample": sample.model_dump(), **notes})
        return tmp_path / folder

    return write


@pytest.fixture
def settings(write: Write) -> StudySettings:
    """A study on background and one point of the paper."""
    for split in ("train", "validation", "test"):
        write("jets", split, "qcd", parse_sample("qcd"))
    for split in ("validation", "test"):
        folder = write("jets", split, "rinv_0.5", parse_sample("rinv_0.5"))
    small = {"batch_size": 8}
    return StudySettings.model_validate({"jets": str(folder), "contrastive": small, "nae": small})


def test_events_that_detectors_learn_from_are_not_judged(settings: StudySettings, write: Write, tmp_path: Path) -> None:
    grid = write("grid", "test", "rinv_0.3_mass_12", grid_point(0.3, 12))
    learned = open_jets(settings.jets).load("train", "qcd").take(np.arange(3))
    point = grid_point(0.4, 12)
    shard = grid / "test" / "rinv_0.4_mass_12" / "shard-00000.parquet"
    write_shard(shard, learned, "rinv_0.4_mass_12", {"sample": point.model_dump()})
    with pytest.raises(
        ValueError, match=r"3 jets of test/rinv_0\.4_mass_12 are from events that detectors are trained"
    ):
        open_study_jets(settings, further=[str(grid)])


def test_grid_and_variants_are_judged_on_test_jets(settings: StudySettings, write: Write) -> None:
    grid = write("grid", "test", "rinv_0.3_mass_12", grid_point(0.3, 12))
    systematics = write("systematics", "test", "qcd_gluons", parse_sample("qcd"), variation="gluons")
    jets = open_study_jets(settings, further=[str(grid), str(systematics)])
    assert list(jets.evaluation["validation"]) == ["qcd", "rinv_0.5"]
    assert list(jets.evaluation["test"]) == ["qcd", "rinv_0.5", "rinv_0.3_mass_12", "qcd_gluons"]
    assert jets.variants == ("qcd_gluons",)
    samples = jets.facts("qcd")["samples"]
    assert {name: facts["kind"] for name, facts in samples.items()} == {
        "qcd": "background",
        "rinv_0.5": "signal",
        "rinv_0.3_mass_12": "signal",
        "qcd_gluons": "background",
    }
    assert (samples["rinv_0.3_mass_12"]["r_inv"], samples["rinv_0.3_mass_12"]["pion_mass"]) == (0.3, 12.0)
    assert samples["qcd_gluons"]["variation"] == "gluons"


def test_a_point_that_both_have_is_the_studys_own(settings: StudySettings, write: Write) -> None:
    grid = write("grid", "test", "rinv_0.5", grid_point(0.5, 4))
    alone, beside = open_study_jets(settings), open_study_jets(settings, further=[str(grid)])
    assert beside.fingerprints == alone.fingerprints


def test_another_sample_under_a_known_name_is_refused(settings: StudySettings, write: Write) -> None:
    grid = write("grid", "test", "rinv_0.5", grid_point(0.5, 12))
    with pytest.raises(ValueError, match=r"'rinv_0\.5' is in another folder, too"):
        open_study_jets(settings, further=[str(grid)])
