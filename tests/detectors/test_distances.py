"""Distances before the head: against SciPy and NumPy on the same representations."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.distance import cdist, mahalanobis
from sklearn.covariance import ledoit_wolf

from darkclr_ray.detectors.distances import Mahalanobis, NearestNeighbours
from darkclr_ray.detectors.saving import load_arrays
from darkclr_ray.evaluation.roc import auc
from darkclr_ray.jets.packed import TrainingSample
from darkclr_ray.testing import toy_jets
from darkclr_ray.training.trainer import Trainer

RUNNER = Trainer(device="cpu")


@pytest.fixture(scope="module")
def sample():
    return TrainingSample(toy_jets(80, seed=1))


def pooled(detector, *samples):
    encoder, _ = detector.fitted
    return [RUNNER.represent(encoder, jets, "pooled").astype(np.float64) for jets in samples]


def test_mahalanobis_is_the_distance_with_the_shrunk_covariance(settings, sample):
    detector, jets = Mahalanobis(settings).fit(sample, RUNNER), toy_jets(30, seed=2)
    background, z = pooled(detector, sample.jets, jets)
    inverse = np.linalg.inv(ledoit_wolf(background)[0])
    expected = [mahalanobis(one, background.mean(0), inverse) for one in z]
    np.testing.assert_allclose(detector.score(jets), expected, rtol=1e-4)


def test_the_tenth_of_all_sorted_distances(settings, sample):
    detector, jets = NearestNeighbours(settings).fit(sample, RUNNER), toy_jets(30, seed=2)
    background, z = pooled(detector, sample.jets, jets)
    spread = background.std(0)
    expected = np.sort(cdist(z / spread, background / spread), axis=1)[:, 9]
    np.testing.assert_allclose(detector.score(jets), expected, rtol=1e-4)


def test_few_background_jets_have_fewer_neighbours(settings):
    few = TrainingSample(toy_jets(16, seed=1).take(slice(0, 16)))
    detector = NearestNeighbours(settings.updated({"contrastive": {"batch_size": 4}}))
    detector.neighbours = 100  # type: ignore[misc]
    assert np.isfinite(detector.fit(few, RUNNER).score(toy_jets(5, seed=2))).all()


def test_background_is_kept_evenly_spread_and_bounded(settings, sample, monkeypatch, tmp_path):
    monkeypatch.setattr("darkclr_ray.detectors.distances.MOST", 30)
    NearestNeighbours(settings).fit(sample, RUNNER).save(tmp_path)
    assert load_arrays(tmp_path / "neighbours.safetensors")["background"].shape[0] == 27  # every third of 80


@pytest.mark.parametrize("detector", [Mahalanobis, NearestNeighbours])
def test_jets_unlike_all_background_are_far_away(settings, sample, detector):
    fitted = detector(settings).fit(sample, RUNNER)
    assert auc(fitted.score(toy_jets(100, seed=2)), fitted.score(toy_jets(100, seed=3, least=60, most=90))) > 0.8
