"""The encoder's training: what it refuses to do with weights, and how it notices a dead network."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch

from darkclr_ray.training.base import TrainingDiverged
from darkclr_ray.training.contrastive import spread
from darkclr_ray.training.loop import run_training


class Spoiled:
    """A source whose second batch holds a NaN."""

    def __init__(self, source):
        self.source = source
        self.steps_per_epoch = source.steps_per_epoch

    def stream(self, first_epoch, last_epoch, rank=0, world_size=1):
        for number, batch in enumerate(self.source.stream(first_epoch, last_epoch, rank, world_size)):
            constituents = batch.constituents.copy()
            if number == 1:
                constituents[0] = np.nan
            yield dataclasses.replace(batch, constituents=constituents)


def test_non_finite_loss_leaves_weights_alone(toy):
    training = toy.encoder_training()
    training.source = Spoiled(training.source)
    weights = []
    step = training.step

    def watched(batch):
        weights.append({name: value.clone() for name, value in training.encoder.state_dict().items()})
        return step(batch)

    training.step = watched
    with pytest.raises(TrainingDiverged, match=r"representation: the loss became nan in epoch 0, step 1 .*rate 0\.001"):
        run_training(training)
    assert len(weights) == 2
    for name, value in training.encoder.state_dict().items():
        assert torch.equal(value, weights[1][name])


def test_training_lowers_the_loss_and_records_what_it_did(toy):
    training = run_training(toy.encoder_training(toy.SETTINGS.updated({"contrastive": {"epochs": 30}}), jets=160))
    first, last = training.history[0], training.history[-1]
    assert last["loss"] < first["loss"] - 0.5
    assert last["similarity_anomalous"] < last["similarity_positive"]
    assert not any(record["collapsed"] or "warning" in record for record in training.history)
    settings = training.settings
    for record in training.history:  # Eq. 3 and the penalty, put together again from what was recorded
        contrast = (record["similarity_anomalous"] - record["similarity_positive"]) / settings.temperature
        assert record["loss"] == pytest.approx(
            contrast + settings.norm_penalty * record["norm_background"], rel=1e-3, abs=1e-4
        )


def test_a_constant_network_is_flagged(toy):
    training = toy.encoder_training()
    with torch.no_grad():
        training.encoder.head[-1].weight.zero_()
        training.encoder.head[-1].bias.fill_(1.0)
    for group in training.optimizer.param_groups:
        group["lr"] = 1e-12
    run_training(training)
    assert all(record["collapsed"] for record in training.history)
    assert "same representation" in training.history[0]["warning"]


def test_jetclr_trains_without_anomalous_views(toy):
    settings = toy.SETTINGS.updated({"contrastive": {"loss": "nt_xent"}, "views": {"anomalous": ()}})
    history = run_training(toy.encoder_training(settings)).history
    assert history[-1]["loss"] < history[0]["loss"]
    assert "similarity_anomalous" not in history[0]


def test_spread_by_hand():
    z = torch.randn(7, 4, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    rows = z.numpy()
    norms = [np.sqrt(sum(x * x for x in row)) for row in rows]
    distances = [np.sum((row - rows.mean(0)) ** 2) for row in rows]
    assert float(spread(z)) == pytest.approx(np.sqrt(np.mean(distances) / np.mean(np.square(norms))))
    assert float(spread(z[:1].expand(5, 4))) < 1e-12


def test_key_holds_what_matters_and_nothing_else(toy):
    base = toy.encoder_training().key()
    assert base == toy.encoder_training().key()
    assert base != toy.encoder_training(toy.SETTINGS.updated({"seed": 2})).key()
    assert base != toy.encoder_training(toy.SETTINGS.updated({"views": {"p_drop": 0.3}})).key()
    assert base != toy.encoder_training(jets=81).key()
    assert base == toy.encoder_training(toy.SETTINGS.updated({"nae": {"step_size": 0.3}})).key()
    untrained = toy.SETTINGS.updated({"contrastive": {"epochs": 0}})
    assert (
        toy.encoder_training(untrained).key()
        == toy.encoder_training(untrained.updated({"views": {"p_drop": 0.3}}), 90).key()
    )


def test_untrained_encoder_stays_as_initialised(toy):
    training = toy.encoder_training(toy.SETTINGS.updated({"contrastive": {"epochs": 0}}))
    before = {name: value.clone() for name, value in training.encoder.state_dict().items()}
    run_training(training)
    assert all(torch.equal(value, before[name]) for name, value in training.encoder.state_dict().items())
    assert not training.encoder.training
