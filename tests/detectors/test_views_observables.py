"""Classifiers of observables: against scikit-learn's pipeline, and on jets whose anomalies are known."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from darkclr_ray.augmentations.anomalous import anomalous_jets
from darkclr_ray.augmentations.donor_branches import donor_jets
from darkclr_ray.augmentations.families import ALL
from darkclr_ray.detectors.views_observables import SupervisedObservables, ViewsObservables
from darkclr_ray.detectors.views_trees import ViewsTrees
from darkclr_ray.evaluation.roc import auc
from darkclr_ray.jets.folder import open_jets, starter_donors, starter_jets
from darkclr_ray.jets.labelled import LabelledSample
from darkclr_ray.jets.observables import centred, observable_table
from darkclr_ray.jets.packed import Jets, TrainingSample
from darkclr_ray.randomness import digest
from darkclr_ray.settings import StudySettings
from darkclr_ray.testing import check_detector, toy_jets
from darkclr_ray.training.trainer import Trainer

RUNNER = Trainer(device="cpu")


def changed(**own):
    return StudySettings().updated({"views_observables": own})


def by_scikit_learn(settings, classes, weights):
    """Logistic regression on observables that are scaled by the first class, by another solver than ours.

    Logits are divided by their spread in the first class.
    """
    names = settings.views_observables.observables
    tables = [observable_table(centred(jets), names) for jets in classes]
    scaler = StandardScaler().fit(tables[0])
    model = LogisticRegression(solver="lbfgs", tol=1e-12, max_iter=100_000)
    counts = [len(table) for table in tables]
    labels = np.repeat(np.minimum(np.arange(len(classes)), 1), counts)
    model.fit(scaler.transform(np.concatenate(tables)), labels, sample_weight=np.repeat(weights, counts))
    pipeline = make_pipeline(scaler, model)
    spread = pipeline.decision_function(tables[0]).std()
    return lambda jets: pipeline.decision_function(observable_table(centred(jets), names)) / spread


def test_it_is_logistic_regression_between_jets_and_their_views():
    settings = changed(draws=2)
    sample, jets = TrainingSample(toy_jets(300, seed=1)), toy_jets(60, seed=2)
    views = [
        anomalous_jets(
            sample.jets, settings.views_observables.views, ALL, seed=1, purpose=f"views of observables {draw}"
        )
        for draw in range(2)
    ]
    expected = by_scikit_learn(settings, [sample.jets, *views], [1.5, 0.75, 0.75])(jets)
    scores = ViewsObservables(settings).fit(sample, RUNNER).score(jets)
    np.testing.assert_allclose(scores, expected, atol=1e-4 * np.ptp(expected))


def test_families_are_averaged_by_their_weights():
    """Each logit counts in units of its spread on background."""
    families = {"dropping": 1.0, "branch_dropping": 3.0}
    sample, jets = TrainingSample(toy_jets(300, seed=1)), toy_jets(60, seed=2)
    alone = [
        ViewsObservables(changed(draws=1, families={name: 2.0})).fit(sample, RUNNER).score(jets) for name in families
    ]
    both = ViewsObservables(changed(draws=1, families=families)).fit(sample, RUNNER).score(jets)
    np.testing.assert_allclose(both, 0.25 * alone[0] + 0.75 * alone[1], rtol=1e-6, atol=1e-8)


def test_donors_are_views_of_harder_jets(tmp_path):
    """Two donors of three reach the window; without donors, or with a folder without them, the family is refused."""
    background = open_jets(starter_jets()).load("train", "qcd").take(slice(0, 400))
    settings = changed(
        draws=1, families={"donor_branches": 1.0}, donors="starter", observables=("multiplicity", "width")
    )
    detector = ViewsObservables(settings)
    views = detector.views("donor_branches", 0, background)
    donors = open_jets(starter_donors()).load("train", "donors")
    expected = donor_jets(
        donors, background, settings.views_observables.views, seed=1, purpose="views of observables 0"
    )
    np.testing.assert_array_equal(views.constituents, expected.constituents)
    detector.fit(TrainingSample(background), RUNNER)
    assert auc(detector.score(background), detector.score(views)) > 0.8
    with pytest.raises(ValueError, match=r"needs jets that are harder .* views_observables.donors"):
        ViewsObservables(changed(families={"donor_branches": 1.0})).fit(TrainingSample(background), RUNNER)
    lacking = changed(families={"donor_branches": 1.0}, donors=str(starter_jets()))
    with pytest.raises(ValueError, match="it has no sample donors in its split train"):
        ViewsObservables(lacking).fit(TrainingSample(background), RUNNER)


def test_with_labels_both_classes_weigh_the_same():
    sample, jets = LabelledSample(toy_jets(300, seed=1), toy_jets(100, seed=2, most=8)), toy_jets(60, seed=3)
    expected = by_scikit_learn(StudySettings(), [sample.background, sample.signal], [2 / 3, 2.0])(jets)
    scores = SupervisedObservables(StudySettings()).fit(sample, RUNNER).score(jets)
    np.testing.assert_allclose(scores, expected, atol=1e-4 * np.ptp(expected))


@pytest.mark.parametrize("form", [{"draws": 1}, {"observables": ("width", "subjets_0.2")}])
def test_every_form_keeps_the_promises(form):
    check_detector(lambda: ViewsObservables(changed(**form)))


def test_unknown_observables_are_refused():
    with pytest.raises(ValueError, match="unknown observable 'girth'"):
        ViewsObservables(changed(observables=("girth",))).fit(TrainingSample(toy_jets(32)), RUNNER)


def test_unknown_families_are_refused():
    with pytest.raises(ValueError, match="unknown augmentation 'droping'"):
        ViewsObservables(changed(families={"droping": 1.0})).fit(TrainingSample(toy_jets(32)), RUNNER)


def test_it_finds_jets_with_constituents_missing():
    detector = ViewsObservables(StudySettings()).fit(TrainingSample(toy_jets(400, seed=1)), RUNNER)
    usual, fewer = toy_jets(200, seed=2), toy_jets(200, seed=3, most=10)
    assert auc(detector.score(usual), detector.score(fewer)) > 0.7


def test_scores_do_not_depend_on_where_a_jet_lies_nor_on_its_orientation():
    detector = ViewsObservables(StudySettings()).fit(TrainingSample(toy_jets(200, seed=1)), RUNNER)
    jets = toy_jets(50, seed=2)
    moved = jets.constituents.copy()
    moved[:, 1:] = moved[:, [2, 1]] * np.float32([1, -1]) + np.float32([0.25, -0.125])
    elsewhere = detector.score(Jets(moved, jets.offsets, jets.ids, jets.events, jets.kinematics))
    np.testing.assert_allclose(elsewhere, detector.score(jets), rtol=1e-4, atol=1e-3)


def test_trees_give_the_logits_of_scikit_learn_and_follow_the_views():
    """A jet that is further from background than before in an observable's direction never scores lower."""
    detector = ViewsTrees(changed(observables=("multiplicity", "pt_dispersion"), draws=1))
    detector.fit(TrainingSample(toy_jets(600, seed=1)), RUNNER)
    table, labels, weights = detector.joined(TrainingSample(toy_jets(600, seed=1)))
    model = HistGradientBoostingClassifier(
        max_depth=3, monotonic_cst=[-1, 1], early_stopping=False, random_state=digest("views trees", 1) % 2**32
    )
    assert np.sign(np.diff([table[labels == label].mean(0) for label in (0, 1)], axis=0)).tolist() == [[-1, 1]]
    expected = model.fit(table, labels, sample_weight=weights).decision_function(detector.observables(toy_jets(50, 2)))
    np.testing.assert_allclose(detector.score(toy_jets(50, 2)), expected, rtol=1e-10)
    dispersions = np.column_stack([np.full(100, 12.0), np.linspace(0.0, 1.0, 100)])
    counts = np.column_stack([np.arange(1.0, 101.0), np.full(100, 0.4)])
    assert (np.diff(detector.trees(dispersions)) >= 0).all()
    assert (np.diff(detector.trees(counts)) <= 0).all()
    assert np.ptp(detector.trees(counts)) > 0.5


def test_weights_are_what_a_spread_more_adds_to_the_score():
    detector = ViewsObservables(changed(draws=1)).fit(TrainingSample(toy_jets(200, seed=1)), RUNNER)
    jets = toy_jets(30, seed=2)
    spread = observable_table(centred(toy_jets(200, seed=1)), tuple(detector.weights())).std(0)
    table = observable_table(centred(jets), tuple(detector.weights()))
    logits = (table / spread) @ np.array(list(detector.weights().values()))
    np.testing.assert_allclose(np.diff(logits), np.diff(detector.score(jets)), rtol=1e-6, atol=1e-6)
