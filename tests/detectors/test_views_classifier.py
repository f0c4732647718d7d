"""The classifier of anomalous views: against scikit-learn's pipeline, and on jets whose anomalies are known."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from darkclr_ray.augmentations.anomalous import anomalous_jets
from darkclr_ray.detectors.untrained import UntrainedViewsClassifier
from darkclr_ray.detectors.views_classifier import ViewsClassifier, classifier
from darkclr_ray.evaluation.roc import auc
from darkclr_ray.jets.packed import TrainingSample
from darkclr_ray.testing import check_detector, toy_jets
from darkclr_ray.training.trainer import Trainer


def test_views_without_an_anomaly_are_refused(settings):
    jetclr = settings.updated({"views": {"anomalous": ("rotation",)}})
    sample = TrainingSample(toy_jets(32))
    with pytest.raises(ValueError, match="has nothing to tell apart; add one, such as dropping"):
        ViewsClassifier(jetclr).fit(sample, Trainer(device="cpu"))


def test_the_linear_form_is_logistic_regression_on_scaled_representations(settings):
    runner = Trainer(device="cpu")
    sample, jets = TrainingSample(toy_jets(200, seed=1)), toy_jets(60, seed=2)
    form = {"hidden": (), "layer": "head", "p_drop": settings.views.p_drop}
    detector = ViewsClassifier(settings.updated({"views_classifier": form})).fit(sample, runner)
    encoder, _ = detector.fitted
    dropped = anomalous_jets(sample.jets, settings.views, settings.inputs, seed=settings.seed)
    z, z_dropped, z_test = (runner.represent(encoder, some).astype(np.float64) for some in (sample.jets, dropped, jets))
    scaler = StandardScaler().fit(z)
    model = LogisticRegression(solver="lbfgs", tol=1e-10, max_iter=10000)
    model.fit(scaler.transform(np.concatenate([z, z_dropped])), np.repeat([0, 1], len(z)))
    expected = make_pipeline(scaler, model).decision_function(z_test)
    np.testing.assert_allclose(detector.score(jets), expected, atol=2e-3 * np.ptp(expected))


def test_a_small_head_finds_what_no_line_does():
    random = np.random.default_rng(1)
    background, shell = random.normal(size=(2, 1500, 3)).astype(np.float32)
    shell *= (3.0 / np.linalg.norm(shell, axis=1, keepdims=True)).astype(np.float32)
    scores = {}
    for hidden in ((), (16,)):
        layers = classifier(background, shell, hidden, seed=1)
        assert [weight.shape for weight, _ in layers] == ([(3, 1)] if not hidden else [(3, 16), (16, 1)])
        detector = ViewsClassifier.__new__(ViewsClassifier)
        detector.layers = layers
        scores[hidden] = auc(*(detector.score_representations(z) for z in (background, shell)))
    assert scores[()] < 0.6
    assert scores[16,] > 0.9


@pytest.mark.parametrize("form", [{"hidden": (4,)}, {"hidden": (), "layer": "head"}, {"hidden": (), "p_drop": 0.5}])
def test_every_form_keeps_the_promises(settings, form):
    check_detector(lambda: ViewsClassifier(settings.updated({"views_classifier": form})))


def test_it_finds_jets_with_constituents_missing(settings):
    """Even on the pooled output of an encoder that was hardly trained."""
    form = settings.updated({"inputs": {"pt": "fraction"}, "views_classifier": {"hidden": ()}})
    detector = ViewsClassifier(form).fit(TrainingSample(toy_jets(400, seed=1)), Trainer(device="cpu"))
    usual, fewer = toy_jets(200, seed=2), toy_jets(200, seed=3, most=10)
    assert auc(detector.score(usual), detector.score(fewer)) > 0.7


def test_on_an_untrained_encoder_it_is_the_same_classifier(settings):
    runner = Trainer(device="cpu")
    sample, jets = TrainingSample(toy_jets(64, seed=1)), toy_jets(20, seed=2)
    untrained = UntrainedViewsClassifier(settings).fit(sample, runner)
    assert untrained.fitted[0].history == []
    same = ViewsClassifier(settings.updated({"contrastive": {"epochs": 0}})).fit(sample, runner)
    np.testing.assert_array_equal(untrained.score(jets), same.score(jets))
