"""Outlier detectors of scikit-learn and of PyOD keep the promises of a detector, or are told why not."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.neighbors import LocalOutlierFactor
from sklearn.svm import OneClassSVM

from darkclr_ray.detectors.outliers import OutlierDetector
from darkclr_ray.jets.observables import observable_table
from darkclr_ray.jets.packed import TrainingSample
from darkclr_ray.testing import check_detector, toy_jets
from darkclr_ray.training.trainer import Trainer


class Local(OutlierDetector):
    name, title = "local", "local outlier factor"

    def estimator(self):
        return LocalOutlierFactor(novelty=True)


class Machine(OutlierDetector):
    name, title = "machine", "one-class support vector machine"

    def estimator(self):
        return OneClassSVM()


class Neighbours(OutlierDetector):
    name, title = "neighbours", "distance to the fifth neighbour"

    def estimator(self):
        from pyod.models.knn import KNN

        return KNN(n_neighbors=5)


class Ranked(OutlierDetector):
    name, title = "ranked", "empirical distribution"

    def estimator(self):
        from pyod.models.ecod import ECOD

        return ECOD()


@pytest.mark.parametrize("detector", [Local, Machine, Neighbours])
def test_promises_are_kept(detector) -> None:
    check_detector(detector)


def test_one_that_ranks_among_others_is_told() -> None:
    with pytest.raises(AssertionError, match="a jet alone and"):
        check_detector(Ranked)


@pytest.mark.parametrize("detector", [Local, Neighbours])
def test_a_jet_far_from_all_others_is_stranger(detector) -> None:
    background = toy_jets(300, seed=1)
    fitted = detector().fit(TrainingSample(background), Trainer(device="cpu"))
    strange = toy_jets(1, seed=2)
    strange.kinematics[:, 3] = 1e4
    assert fitted.score(strange)[0] > fitted.score(toy_jets(200, seed=3)).max()


def test_training_jets_are_evenly_spread(monkeypatch) -> None:
    monkeypatch.setattr(Local, "most", 30)
    background = toy_jets(100, seed=1)
    fitted = Local().fit(TrainingSample(background), Trainer(device="cpu"))
    expected = observable_table(background.take(np.arange(0, 100, 4)), Local.observables)
    np.testing.assert_array_equal(fitted.table, expected)
