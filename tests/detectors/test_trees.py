"""Trees as arrays against scikit-learn's own scores of the same ensembles."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.ensemble import IsolationForest as Forest

from darkclr_ray.detectors import boosted_trees, isolation_forest
from darkclr_ray.detectors.boosted_trees import BoostedTrees, exported
from darkclr_ray.detectors.isolation_forest import IsolationForest, mean_depth
from darkclr_ray.detectors.trees import AT_ONCE, Trees, tree_features
from darkclr_ray.evaluation.roc import auc
from darkclr_ray.jets.labelled import LabelledSample
from darkclr_ray.jets.packed import TrainingSample
from darkclr_ray.randomness import digest
from darkclr_ray.testing import toy_jets
from darkclr_ray.training.trainer import Trainer

RUNNER = Trainer(device="cpu")


def test_exported_boosted_trees_give_the_logits_of_scikit_learn(tmp_path):
    random = np.random.default_rng(1)
    features = random.normal(size=(3000, 4)).astype(np.float32).astype(np.float64)
    labels = features[:, 0] * features[:, 1] + random.normal(size=3000) > 0
    model = HistGradientBoostingClassifier(max_iter=30).fit(features, labels)
    others = random.normal(size=(AT_ONCE + 500, 4)).astype(np.float32).astype(np.float64)
    np.testing.assert_allclose(exported(model)(others), model.decision_function(others), rtol=1e-12, atol=1e-12)
    exported(model).save(tmp_path / "trees.safetensors")
    np.testing.assert_array_equal(Trees.load(tmp_path / "trees.safetensors")(others), exported(model)(others))


@pytest.mark.parametrize("count", [2, 40, 600])
def test_the_isolation_forest_gives_the_scores_of_scikit_learn(count):
    jets, others = toy_jets(count, seed=1), toy_jets(300, seed=2)
    forest = Forest(random_state=digest("isolation forest", 5) % 2**32).fit(tree_features(jets))
    ours = IsolationForest(seed=5).fit(TrainingSample(jets), RUNNER).score(others)
    np.testing.assert_allclose(ours, -forest.score_samples(tree_features(others)), rtol=1e-6)


def test_mean_depth_is_that_of_random_trees():
    """c(n) approximates 2 (H(n) - 1), the mean depth of a leaf of a random binary search tree."""
    harmonic = np.cumsum(1.0 / np.arange(1, 1001))
    np.testing.assert_allclose(mean_depth(np.arange(200, 1001)), 2.0 * (harmonic[199:] - 1.0), rtol=2e-3)


def test_an_isolation_forest_of_one_jet_is_refused():
    with pytest.raises(ValueError, match="two or more background jets, not 1"):
        IsolationForest().fit(TrainingSample(toy_jets(1)), RUNNER)


def test_strange_jets_are_isolated_early():
    detector = IsolationForest().fit(TrainingSample(toy_jets(400, seed=1)), RUNNER)
    usual, strange = toy_jets(100, seed=2), toy_jets(100, seed=3, most=60)
    assert auc(detector.score(usual), detector.score(strange)) > 0.7
    assert 0.0 < detector.score(usual).min() < detector.score(strange).max() < 1.0


def test_boosted_trees_find_the_signal():
    train = LabelledSample(toy_jets(300, seed=1), toy_jets(150, seed=2, most=8))
    detector = BoostedTrees().fit(train, RUNNER)
    assert auc(detector.score(toy_jets(200, seed=3)), detector.score(toy_jets(200, seed=4, most=8))) > 0.8


def test_matching_takes_the_spectrum_out_of_the_labels():
    """Signal and background differ in pT alone, and with it in all that grows with pT."""
    pool = toy_jets(4000, seed=1)
    hard = pool.pt > np.median(pool.pt)
    signal = pool.take(np.flatnonzero(hard)[:800])
    background = pool.take(np.concatenate([np.flatnonzero(hard)[800:1000], np.flatnonzero(~hard)[:1200]]))
    sample, test = LabelledSample(background, signal), toy_jets(1500, seed=2)
    raw, matched = (BoostedTrees(match_pt=match).fit(sample, RUNNER).score(test) for match in (False, True))
    rank = [np.corrcoef(scores.argsort().argsort(), test.pt.argsort().argsort())[0, 1] for scores in (raw, matched)]
    assert rank[0] > 0.7
    assert abs(rank[1]) < 0.35


def test_trees_of_more_jets_than_scikit_learn_gets_are_those_of_a_subsample(monkeypatch):
    jets, signal, others = toy_jets(300, seed=1), toy_jets(90, seed=3), toy_jets(100, seed=2)
    few = jets.at_most(100, seed=5)
    assert len(few) == 100
    forest = IsolationForest(seed=5).fit(TrainingSample(few), RUNNER).score(others)
    trees = BoostedTrees(seed=5).fit(LabelledSample(few, signal), RUNNER).score(others)
    for module in (isolation_forest, boosted_trees):
        monkeypatch.setattr(module, "MOST_FITTED", 100)
    np.testing.assert_array_equal(IsolationForest(seed=5).fit(TrainingSample(jets), RUNNER).score(others), forest)
    np.testing.assert_array_equal(BoostedTrees(seed=5).fit(LabelledSample(jets, signal), RUNNER).score(others), trees)
