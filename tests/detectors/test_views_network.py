"""Networks trained end to end on views: what they are trained on, what selects the epoch, and what they find."""

from __future__ import annotations

import numpy as np
import pytest

from darkclr_ray.augmentations.views import make_views
from darkclr_ray.detectors.views_network import ViewsNetwork
from darkclr_ray.evaluation.roc import auc
from darkclr_ray.jets.packed import TrainingSample
from darkclr_ray.testing import toy_jets
from darkclr_ray.training.trainer import Trainer
from darkclr_ray.training.views_network import pair_views, rate


def test_it_finds_jets_with_constituents_missing(settings):
    """After a training of seconds, and the ensemble is the mean of its standardised members."""
    own = {"epochs": 4, "learning_rate": 3e-3, "networks": ("dropping", "branch_dropping")}
    changed = settings.updated({"inputs": {"pt": "fraction"}, "views_network": own})
    sample = TrainingSample(toy_jets(400, seed=1))
    detector = ViewsNetwork(changed).fit(sample, Trainer(device="cpu"))
    usual, fewer = toy_jets(200, seed=2), toy_jets(200, seed=3, most=10)
    assert auc(detector.score(usual), detector.score(fewer)) > 0.7
    logits, reference = detector.logits(usual), detector.logits(sample.jets)
    members = (logits - reference.mean(1)[:, None]) / reference.std(1)[:, None]
    np.testing.assert_allclose(detector.score(usual), members.mean(0), rtol=1e-6)
    assert abs(np.corrcoef(members)[0, 1]) < 0.9999


def test_views_of_another_family_select_the_epoch(settings):
    detector = ViewsNetwork(settings.updated({"views_network": {"networks": ("dropping",), "epochs": 3}}))
    trainer = Trainer(device="cpu")
    detector.fit(TrainingSample(toy_jets(200, seed=1)), trainer)
    ((training, _),), _ = detector._fitted
    areas = [1.0 - record["held_out_error"] for record in training.history]
    background, views = (training.logits(jets).numpy() for jets in training.held_out)
    assert auc(background, views) == pytest.approx(max(areas), abs=1e-6)


def test_background_and_views_are_centred_alike(settings):
    """Without that the network would find views by their centroids."""
    jets = toy_jets(100, seed=1)
    views = pair_views(settings.views_network.views.model_copy(update={"anchor": ()}), "branch_dropping")
    batch = make_views(jets, views, settings.inputs, seed=1, epoch=0)
    assert batch.views == 2
    pt, eta, phi = batch.constituents.T.astype(np.float64)
    for angle in (eta, phi):
        centroids = np.add.reduceat(pt * angle, batch.offsets[:-1]) / np.add.reduceat(pt, batch.offsets[:-1])
        assert np.abs(centroids).max() < 1e-5
    counts = np.diff(batch.offsets)
    np.testing.assert_array_equal(counts[:100], jets.multiplicity)
    assert (counts[100:] <= counts[:100]).all()
    assert (counts[100:] < counts[:100]).mean() > 0.5


def test_the_learning_rate_rises_and_falls(settings):
    assert [rate(epoch, 4, 0.0) for epoch in range(4)] == pytest.approx([1.0, 0.854, 0.5, 0.146], abs=1e-3)
    rates = [rate(epoch, 20, 0.25) for epoch in range(20)]
    assert np.diff(rates[:6]).min() > 0 > np.diff(rates[5:]).max()
    assert max(rates) == 1.0
