"""The encoder's training: what it refuses to do with weights, and how it notices a dead network."""

from __future__ import annotations

import dataclasses
import re

import numpy as np
import pytest
import torch

from darkclr_ray.evaluation.collapse import effective_rank
from darkclr_ray.losses.similarity import similarities
from darkclr_ray.settings import ContrastiveSettings
from darkclr_ray.training.base import EncoderCollapsed, TrainingDiverged
from darkclr_ray.training.contrastive import LOSSES, dimension_terms
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


def dead(training, part: float = 1.0):
    """Let a share of the jets have one and the same representation, and training change nothing."""
    head, network = training.encoder.head, training.encoder.forward
    for group in training.optimizer.param_groups:
        group["lr"] = 1e-12

    def forward(*arguments, **options):
        output = network(*arguments, **options)
        same = (torch.arange(len(output.head)) % 10 < 10 * part)[:, None]
        constant = head[-1].bias.detach() * torch.ones(len(output.head), 1) + 1.0
        return output._replace(head=torch.where(same, constant, output.head))

    training.encoder.forward = forward
    return training


@pytest.mark.parametrize("part", [1.0, 0.6])
def test_a_collapsed_encoder_ends_its_training(toy, tmp_path, part):
    """Fully or partly; a further call raises the same without training again."""
    training = dead(toy.encoder_training(), part)
    reported = []
    with pytest.raises(
        EncoderCollapsed, match=r"the encoder collapsed: after epoch 0, .*%.* same representation"
    ) as first:
        run_training(training, folder=tmp_path, report=reported.append)
    assert training.history[-1]["share_at_median"] == pytest.approx(part, abs=0.05)
    assert training.history[-1]["collapsed"]
    assert training.best is None
    assert not reported  # no intermediate value of a collapsed encoder
    again = toy.encoder_training()
    again.step = None
    with pytest.raises(EncoderCollapsed, match=re.escape(str(first.value))):
        run_training(again, folder=tmp_path)


def test_few_jets_alike_are_no_collapse(toy):
    history = run_training(dead(toy.encoder_training(), 0.1)).history
    assert not any(record["collapsed"] for record in history)


def test_the_epoch_is_selected_by_its_end_weights(toy):
    """The validation loss of the kept epoch is that of the weights that the training ends with."""
    changes = {"encoder": {"head_slope": 0.1}, "contrastive": {"epochs": 6, "learning_rate": 1e-2}}
    settings = toy.SETTINGS.updated(changes)
    training = run_training(toy.encoder_training(settings))
    losses = [record["validation_loss"] for record in training.history]
    batches = training.validation_batches
    z = torch.cat([training.representations(batch) for batch in batches], dim=1)
    loss = LOSSES["anomaly_contrastive"](z, similarities(z), settings.contrastive, None)
    assert float(loss) == pytest.approx(min(losses), rel=1e-5)


@pytest.mark.parametrize(
    "weights",
    [{"variance_weight": 1.0, "covariance_weight": 0.04}, {"uniformity_weight": 1.0}, {"denominator_weight": 1.0}],
)
def test_terms_open_more_dimensions(weights):
    """Gradient descent on representations themselves, nearly all of one direction as Eq. 3 leaves them."""
    generator = torch.Generator().manual_seed(1)
    z = torch.ones(1, 64, 6) + 0.1 * torch.randn(1, 64, 6, generator=generator)
    z = z.expand(2, -1, -1).clone().requires_grad_()
    settings = ContrastiveSettings(**weights)
    optimizer = torch.optim.Adam([z], lr=0.05)

    def directions():
        return torch.nn.functional.normalize(z[0].detach(), dim=1)

    assert directions().mean(0).norm() > 0.95
    for _ in range(150):
        optimizer.zero_grad()
        dimension_terms(z, settings, None).backward()
        optimizer.step()
    assert directions().mean(0).norm() < 0.3
    assert effective_rank(directions().numpy()) > 4.5


def test_jetclr_trains_without_anomalous_views(toy):
    settings = toy.SETTINGS.updated({"contrastive": {"loss": "nt_xent"}, "views": {"anomalous": ()}})
    history = run_training(toy.encoder_training(settings)).history
    assert history[-1]["loss"] < history[0]["loss"]
    assert "similarity_anomalous" not in history[0]


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
