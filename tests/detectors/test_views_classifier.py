"""The classifier of anomalous views: against scikit-learn's pipeline, and on jets whose anomalies are known."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from darkclr_ray.detectors.untrained import UntrainedViewsClassifier
from darkclr_ray.detectors.views_classifier import ViewsClassifier, anomalous_jets, classifier
from darkclr_ray.evaluation.roc import auc
from darkclr_ray.jets.packed import TrainingSample, vector_pt
from darkclr_ray.settings import InputSettings, ViewSettings
from darkclr_ray.testing import check_detector, toy_jets
from darkclr_ray.training.runner import Runner


def test_anomalous_jets_lack_constituents_and_keep_their_pt():
    jets = toy_jets(400, seed=1, most=60)
    dropped = anomalous_jets(jets, ViewSettings(p_drop=0.4), InputSettings(), seed=1)
    hardest = jets.hardest(50)
    np.testing.assert_array_equal(dropped.ids, jets.ids)
    np.testing.assert_array_equal(dropped.kinematics, jets.kinematics)
    assert dropped.multiplicity.sum() / hardest.multiplicity.sum() == pytest.approx(0.6, abs=0.02)
    np.testing.assert_allclose(
        vector_pt(dropped.constituents, dropped.offsets), vector_pt(hardest.constituents, hardest.offsets), rtol=1e-5
    )
    # neither turned nor moved: what is left was there before
    before = {tuple(row) for row in hardest.constituents[:, 1:].tolist()}
    assert {tuple(row) for row in dropped.constituents[:, 1:].tolist()} <= before


def test_draws_are_those_of_the_seed_and_the_jet():
    jets = toy_jets(50, seed=1)
    first, again, other = (anomalous_jets(jets, ViewSettings(), InputSettings(), seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first.constituents, again.constituents)
    assert not np.array_equal(first.offsets, other.offsets)
    some = anomalous_jets(jets.take(np.array([7, 3])), ViewSettings(), InputSettings(), 1)
    np.testing.assert_array_equal(some.constituents, first.take(np.array([7, 3])).constituents)


def test_a_range_of_probabilities_is_a_mixture():
    jets = toy_jets(500, seed=1, most=50)
    jets = jets.take(np.flatnonzero(jets.multiplicity > 30))
    views = ViewSettings(p_drop=(0.1, 0.9))
    left = anomalous_jets(jets, views, InputSettings(), 1).multiplicity / jets.multiplicity
    assert left.mean() == pytest.approx(0.5, abs=0.05)
    assert left.std() > 0.2


def test_views_without_an_anomaly_are_refused(settings):
    jetclr = settings.updated({"views": {"anomalous": ("rotation",)}})
    sample = TrainingSample(toy_jets(32))
    with pytest.raises(ValueError, match="has nothing to tell apart; add one, such as dropping"):
        ViewsClassifier(jetclr).fit(sample, Runner(device="cpu"))


def test_the_linear_form_is_logistic_regression_on_scaled_representations(settings):
    runner = Runner(device="cpu")
    sample, jets = TrainingSample(toy_jets(200, seed=1)), toy_jets(60, seed=2)
    detector = ViewsClassifier(settings).fit(sample, runner)
    encoder, _ = detector.fitted
    dropped = anomalous_jets(sample.jets, settings.views, settings.inputs, settings.seed)
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


@pytest.mark.parametrize("form", [{"hidden": (4,)}, {"layer": "pooled"}, {"p_drop": (0.3, 0.7)}])
def test_every_form_keeps_the_promises(settings, form):
    check_detector(lambda: ViewsClassifier(settings.updated({"views_classifier": form})))


def test_it_finds_jets_with_constituents_missing(settings):
    """Even on the pooled output of an encoder that was hardly trained."""
    form = settings.updated({"inputs": {"pt": "fraction"}, "views_classifier": {"layer": "pooled"}})
    detector = ViewsClassifier(form).fit(TrainingSample(toy_jets(400, seed=1)), Runner(device="cpu"))
    usual, fewer = toy_jets(200, seed=2), toy_jets(200, seed=3, most=10)
    assert auc(detector.score(usual), detector.score(fewer)) > 0.7


def test_on_an_untrained_encoder_it_is_the_same_classifier(settings):
    runner = Runner(device="cpu")
    sample, jets = TrainingSample(toy_jets(64, seed=1)), toy_jets(20, seed=2)
    untrained = UntrainedViewsClassifier(settings).fit(sample, runner)
    assert untrained.fitted[0].history == []
    same = ViewsClassifier(settings.updated({"contrastive": {"epochs": 0}})).fit(sample, runner)
    np.testing.assert_array_equal(untrained.score(jets), same.score(jets))
