"""Fisher's combination of two classifiers of views: against SciPy, with p-values that are counted."""

from __future__ import annotations

import numpy as np
from scipy.stats import combine_pvalues

from darkclr_ray.detectors.views_classifier import ViewsClassifier
from darkclr_ray.detectors.views_observables import ViewsObservables
from darkclr_ray.detectors.views_ranks import ViewsRanks
from darkclr_ray.jets.packed import TrainingSample
from darkclr_ray.testing import toy_jets
from darkclr_ray.training.trainer import Trainer

RUNNER = Trainer(device="cpu")


def test_scores_are_those_of_fisher(settings):
    sample, jets = TrainingSample(toy_jets(64, seed=1)), toy_jets(20, seed=2)
    scores = ViewsRanks(settings).fit(sample, RUNNER).score(jets)
    members = [cls(settings).fit(sample, RUNNER) for cls in (ViewsObservables, ViewsClassifier)]
    background, own = ([member.score(some) for member in members] for some in (sample.jets, jets))
    for at, score in enumerate(scores):
        p_values = [(1 + sum(b >= s[at] for b in of)) / 65 for of, s in zip(background, own, strict=True)]
        np.testing.assert_allclose(2 * score, combine_pvalues(p_values, "fisher").statistic)


def test_it_shares_the_network_of_the_views_classifier(settings):
    kinds = []
    counting = Trainer(device="cpu", report=lambda progress: kinds.append(progress.kind))
    sample = TrainingSample(toy_jets(64, seed=1))
    ViewsClassifier(settings).fit(sample, counting)
    ViewsRanks(settings).fit(sample, counting)
    assert kinds.count("representation") == settings.contrastive.epochs
