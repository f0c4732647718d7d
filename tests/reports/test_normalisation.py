"""What contrastive divergence brings: the section's numbers against the trials' files, and what it concludes."""

import math

import numpy as np
import pytest
from scipy.stats import ttest_1samp

from darkclr_ray.evaluation.gain import Gain
from darkclr_ray.reports.sections import normalisation
from darkclr_ray.reports.trials import read


def test_ratio_and_interval_are_those_of_the_trials(study_folder):
    """Another score of the toy trials takes the place of s_AE."""
    study = read(study_folder)
    tests = [{"s_NAE": trial.test["s_NAE"], "s_AE": trial.test["s_CLR"]} for trial in study.complete]
    [section] = normalisation.section(study, enumerate(tests), 0.2)
    logs = []
    for test in tests:
        cuts = {
            score: {signal: facts["matched"]["rejection"]["0.2"]["value"] for signal, facts in signals.items()}
            for score, signals in test.items()
        }
        logs.append(np.mean([math.log(cuts["s_NAE"][name] / cuts["s_AE"][name]) for name in cuts["s_NAE"]]))
    text, table = section.blocks
    overall = table.rows[0]["gain"]
    interval = ttest_1samp(logs, 0.0).confidence_interval(0.95)
    assert [overall.value, overall.low, overall.high] == pytest.approx(np.exp([np.mean(logs), *interval]))
    assert len(table.rows) == 1 + len(study.samples)
    assert f"{overall.value:.2f}" in text


@pytest.mark.parametrize(
    ("low", "high", "says"),
    [
        (1.1, 1.5, "it beats"),
        (0.8, 1.3, "it does not beat"),
        (0.5, 0.9, "it harms"),
        (None, None, "does not show whether"),
    ],
)
def test_verdict(low, high, says):
    assert says in normalisation.verdict(Gain(1.2, low, high, 0.95, 3, 3))


def test_a_search_without_both_scores_has_no_section(study_folder):
    study = read(study_folder)
    assert not normalisation.section(study, [("encoder", {"s_NAE": study.best.test["s_NAE"]})], 0.2)
