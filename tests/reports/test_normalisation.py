"""What contrastive divergence brings: the section's numbers against the trials' files, and what it concludes."""

import math

import numpy as np
import pytest
from scipy.stats import ttest_1samp

from darkclr_ray.evaluation.gain import Gain
from darkclr_ray.reports.page import section_html
from darkclr_ray.reports.sections import normalisation
from darkclr_ray.study.read_results import read_results as read


def test_ratio_and_interval_are_those_of_the_trials(study_folder):
    """Another score of the toy trials takes the place of s_AE."""
    study = read(study_folder)
    complete = [trial for trial in study.trials if trial.state == "COMPLETE"]
    tests = [{"s_NAE": trial.test["s_NAE"], "s_AE": trial.test["s_CLR"]} for trial in complete]
    section = normalisation.of_trainings(study, enumerate(tests))
    logs = []
    for test in tests:
        cuts = {
            score: {signal: found.matched.at(0.2).value for signal, found in signals.items()}
            for score, signals in test.items()
        }
        logs.append(np.mean([math.log(cuts["s_NAE"][name] / cuts["s_AE"][name]) for name in cuts["s_NAE"]]))
    rows = section.parts["normalisation"].rows
    overall = rows[0]["gain"]
    interval = ttest_1samp(logs, 0.0).confidence_interval(0.95)
    assert [overall.value, overall.low, overall.high] == pytest.approx(np.exp([np.mean(logs), *interval]))
    assert len(rows) == 1 + len(study.samples)
    assert f"by {overall.value:.2f} (95%: {overall.low:.2f} to {overall.high:.2f})" in section_html(study, section)


@pytest.mark.parametrize(
    ("low", "high", "judgement"),
    [(1.1, 1.5, "beats"), (0.8, 1.3, "neither"), (0.5, 0.9, "harms"), (None, None, "unknown")],
)
def test_verdict(low, high, judgement):
    assert normalisation.verdict(Gain(1.2, low, high, 0.95, 3, 3)) == judgement


def test_a_search_without_both_scores_has_no_section(study_folder):
    study = read(study_folder)
    assert normalisation.of_trainings(study, [("encoder", {"s_NAE": study.best.test["s_NAE"]})]) is None
