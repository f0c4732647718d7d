"""The last lines on the screen against the records of the study."""

from __future__ import annotations

import re
from pathlib import Path

from darkclr_ray.study.conclusions import conclusions, kind_of
from darkclr_ray.study.read_results import read_results


def test_a_search_ends_with_its_best_trial_and_a_table(study_folder: Path) -> None:
    study = read_results(study_folder)
    lines = conclusions(study_folder)
    assert lines[0].startswith(f"best trial  {study.best.number} of {len(study.trials)}")
    for trial in study.trials:
        assert trial.state != "FAIL" or any(
            kind_of(trial.reason) in line and str(trial.number) in line for line in lines
        )
    for signal in study.main_signals:
        (row,) = [line for line in lines if line.startswith(f"  {signal} ")]
        evaluation = study.best.test[study.settings.search.score][signal].matched.at(0.2)
        assert float(row.split()[1].lstrip(">")) == float(f"{evaluation.value:.{0 if evaluation.value >= 10 else 1}f}")
    assert max(len(line) for line in lines if line.startswith("  ")) <= 60


def test_a_comparison_ends_with_its_selected_detector(comparison_folder: Path) -> None:
    study = read_results(comparison_folder)
    lines = conclusions(comparison_folder)
    assert study.selected is not None
    assert any(study.selected.detector in line for line in lines)
    assert sum(line.startswith("  ") and "(" not in line for line in lines) == len(study.main_signals) + 1


def test_signs_agree_with_the_paired_comparison(study_folder: Path) -> None:
    study = read_results(study_folder)
    lines = conclusions(study_folder)
    assert study.selected is not None
    for pair in study.compared(study.selected, study.methods["multiplicity"]):
        (row,) = [line for line in lines if line.startswith(f"  {pair.signal} ")]
        low, high = pair.matched.low, pair.matched.high
        sign = "+" if low > 1.0 else "-" if high is not None and high < 1.0 else "="
        assert re.search(r"\] (.)", row)[1] == sign  # type: ignore[index]
