"""The supervised transformer: what it learns, which epoch it keeps, and how it says that it has died."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.metrics import log_loss

from darkclr_ray.detectors.supervised import Supervised
from darkclr_ray.evaluation.roc import auc
from darkclr_ray.jets.labelled import LabelledSample
from darkclr_ray.testing import toy_jets
from darkclr_ray.training.loop import run_training
from darkclr_ray.training.supervised import SupervisedTraining, class_weights
from darkclr_ray.training.trainer import Trainer


def toy_labelled(background: int = 300, signal: int = 150) -> LabelledSample:
    return LabelledSample(toy_jets(background, seed=1), toy_jets(signal, seed=2, most=8))


def training(settings, sample=None, **changes) -> SupervisedTraining:
    return SupervisedTraining(
        sample or toy_labelled(),
        encoder=settings.encoder,
        inputs=settings.inputs,
        supervised=settings.supervised.model_copy(update=changes),
        seed=settings.seed,
    )


def test_it_learns_to_tell_the_classes_apart(settings):
    settings = settings.updated({"supervised": {"epochs": 10, "learning_rate": 5e-3}})
    detector = Supervised(settings).fit(toy_labelled(), Trainer(device="cpu"))
    assert auc(detector.score(toy_jets(200, seed=3)), detector.score(toy_jets(200, seed=4, most=8))) > 0.8


def test_validation_loss_is_the_cross_entropy_of_jets_held_out(settings):
    trained = run_training(training(settings, epochs=1))
    held_out = trained.held_out
    encoder = Trainer(device="cpu").represent(trained, held_out.jets, "pooled")
    with torch.no_grad():
        probability = torch.sigmoid(trained.classifier(torch.from_numpy(np.array(encoder)))).double().numpy()
    expected = log_loss(held_out.labels, probability, sample_weight=class_weights(held_out, False))
    assert trained.history[0]["validation_loss"] == pytest.approx(expected, rel=1e-5)
    seen = {*trained.sample.background.events, *trained.sample.signal.events}
    assert seen.isdisjoint({*held_out.background.events, *held_out.signal.events})


def test_a_dead_network_says_so(settings):
    dead = training(settings, learning_rate=1e-9, epochs=1)
    with torch.no_grad():
        dead.classifier.network[2].weight.zero_()
    record = run_training(dead).history[0]
    assert record["collapsed"] is True
    assert "the same of every jet" in record["warning"]
    assert "warning" not in run_training(training(settings, epochs=1)).history[0]


def test_both_classes_weigh_the_same():
    sample = toy_labelled(300, 100)
    for match in (False, True):
        weights = class_weights(sample, match)
        assert weights.mean() == pytest.approx(1.0)
        assert weights[:300].sum() == pytest.approx(weights[300:].sum())
    spectrum = [np.average(sample.background.pt, weights=class_weights(sample, match)[:300]) for match in (False, True)]
    wanted = sample.signal.pt.mean()
    assert abs(spectrum[1] - wanted) < 0.3 * abs(spectrum[0] - wanted)


def test_the_key_is_what_determines_the_outcome(settings):
    base = training(settings).key()
    assert base == training(settings.updated({"encoder": {"d_z": 64}, "views": {"p_drop": 0.1}})).key()
    for other in (
        training(settings.updated({"seed": 2})),
        training(settings.updated({"inputs": {"pt": "fraction"}})),
        training(settings, match_pt=True),
        training(settings, sample=toy_labelled(signal=149)),
    ):
        assert base != other.key()
