"""Figures of scores and jets: their numbers against the files of the study, counted by hand."""

from __future__ import annotations

import json
import shutil
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.stats import binned_statistic, binned_statistic_2d

from darkclr_ray.reports.page import Figure
from darkclr_ray.reports.sections import jets_and_scores
from darkclr_ray.study.read_results import read_results
from darkclr_ray.study.results import StudyResults
from darkclr_ray.study.score_statistics import score_map

from .make_study import SHIFTS
from .pages import Text, rows, said


@pytest.fixture(scope="module")
def study(study_folder: Path) -> StudyResults:
    return read_results(study_folder)


@pytest.fixture(scope="module")
def parts(study: StudyResults) -> Any:
    found = jets_and_scores.section(study)
    assert found is not None
    return found.parts


def test_histograms_are_those_of_the_scores(study: StudyResults, report: Path) -> None:
    table = rows(report, "score_histograms")
    assert {row["detector"] for row in table} == set(study.methods)
    for detector in ("s_NAE", "multiplicity"):
        scores = study.scores(study.methods[detector])
        for sample in ("qcd", *SHIFTS):
            bins = [row for row in table if (row["detector"], row["sample"]) == (detector, sample)]
            own = scores[study.jets.of(sample)]
            edges = [float(bins[0]["low"]), *(float(row["high"]) for row in bins)]
            counts = [sum(low <= score < high for score in own) for low, high in pairwise(edges)]
            shares = np.array([float(row["share"]) for row in bins])
            np.testing.assert_allclose(shares[:-1] * len(own), counts[:-1], atol=1e-6)
            assert 0.98 < shares.sum() <= 1.0 + 1e-9
            expected = np.sqrt(shares * (1 - shares) / len(own))
            np.testing.assert_allclose([float(row["error"]) for row in bins], expected)


@pytest.mark.parametrize("observable", ["pt", "mass", "multiplicity"])
def test_maps_are_those_of_scores_and_observables(study: StudyResults, observable: str) -> None:
    one = study.methods["s_NAE"]
    found, scores, values = score_map(study, one, observable), study.scores(one), getattr(study.jets, observable)
    assert found is not None
    background = study.jets.of("qcd")
    expected = binned_statistic_2d(scores[background], values[background], None, "count", [found.y, found.x]).statistic
    np.testing.assert_array_equal(found.counts, expected)
    assert found.counts.sum() > 0.97 * len(background)
    for sample in ("qcd", "aachen"):
        mean, rows = found.profiles[sample], study.jets.of(sample)
        width = mean.centres[1] - mean.centres[0]
        edges = [*(mean.centres - width / 2), mean.centres[-1] + width / 2]
        if np.allclose(np.diff(mean.centres), width):  # no bin between has too few jets
            by_hand = binned_statistic(values[rows], scores[rows], "mean", edges).statistic
            inside = slice(None, -1)  # the last bin of scipy contains its upper edge
            np.testing.assert_allclose(mean.mean[inside], by_hand[inside])


def test_figures_are_those_of_the_record(study: StudyResults, study_folder: Path, parts: Any) -> None:
    """Points of representations, displays and occlusions are the numbers of the file."""
    content = json.loads((study_folder / "sections/interpretation.json").read_text())["result"]["s_NAE"]
    figure = parts["representations"].figure
    assert len(figure.data) == 2 * 6
    for column, layer in enumerate(("pooled", "head")):
        for at, one in enumerate(content["layers"][layer]["samples"].values()):
            np.testing.assert_allclose(figure.data[6 * column + at].x, one["x"], rtol=1e-6)
            np.testing.assert_allclose(figure.data[6 * column + at].y, one["y"], rtol=1e-6)
    titles = " ".join(note.text for note in figure.layout.annotations)
    assert "effective rank 4.25" in titles
    assert "effective rank 2.50" in titles
    for name in ("most", "least"):
        for trace, jet in zip(parts[name].figure.data, content[name], strict=True):
            np.testing.assert_allclose(
                np.column_stack([trace.marker.size, trace.x, trace.y]), jet["constituents"], rtol=1e-6
            )
    changes = parts["occlusion"].figure.data
    for at, one in enumerate(content["occlusions"]):
        for trace, key in ((changes[2 * at], "constituents"), (changes[2 * at + 1], "branch_changes")):
            np.testing.assert_allclose(trace.customdata, one[key], rtol=1e-6)
            assert max(abs(trace.marker.color)) <= 1.0


def test_truth_of_each_displayed_jet_is_said(report: Path) -> None:
    table = rows(report, "jets_most")
    assert [int(row["place"]) for row in table] == list(range(1, 13))
    assert {row["sample"] for row in table} == {"qcd", *SHIFTS}
    assert {row["sample"] for row in rows(report, "jets_least")} == {"qcd"}


def test_figures_are_small(parts: Any, study: StudyResults) -> None:
    sizes = {name: len(part.json) for name, part in parts.items() if isinstance(part, Figure)}
    assert sum(sizes.values()) < 220_000, sizes


def test_a_study_without_a_record_has_the_figures_of_its_scores(study_folder: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(study_folder, tmp_path / "old", ignore=shutil.ignore_patterns("report")))
    (folder / "sections/interpretation.json").unlink()
    old = read_results(folder)
    text = said(old, jets_and_scores.section)
    assert "Scores of the test jets of QCD" in text
    assert "principal components" not in text
    assert "looks at" not in text


def test_a_record_of_an_earlier_best_trial_is_not_shown(
    study: StudyResults, study_folder: Path, tmp_path: Path
) -> None:
    folder = Path(shutil.copytree(study_folder, tmp_path / "old", ignore=shutil.ignore_patterns("report")))
    assert study.analyses["interpretation"].of == {"s_NAE": study.best.stages["scores"]}
    other = next(trial for trial in study.trials if trial.state == "COMPLETE" and trial.number != study.best.number)
    record = study.analyses["interpretation"].model_copy(update={"of": {"s_NAE": other.stages["scores"]}})
    record.write(folder / "sections/interpretation.json")
    assert read_results(folder).analyses == {}


def test_a_comparison_shows_the_selected_detector_and_the_others_in_a_menu(comparison: Path) -> None:
    text = str(Text(comparison.read_text(encoding="utf-8")))
    assert "for the first network of each detector" in text
    assert "What views’ classifier looks at" in text
