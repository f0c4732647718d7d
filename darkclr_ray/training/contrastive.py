"""Contrastive training of the encoder on views of background jets (Sec. 3.1)."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from darkclr_ray.augmentations import registry
from darkclr_ray.augmentations.views import ViewBatch, ViewSource, make_views
from darkclr_ray.evaluation.collapse import SAME, measure_collapse
from darkclr_ray.jets.batching import batch_slice
from darkclr_ray.jets.packed import TrainingSample
from darkclr_ray.kernels.available import LONGEST_PACKED
from darkclr_ray.kernels.frozen import frozen_weights
from darkclr_ray.losses.anomaly_contrastive import anomaly_contrastive
from darkclr_ray.losses.background_denominator import background_denominator
from darkclr_ray.losses.covariance import squared_covariance
from darkclr_ray.losses.gather import Share, gather_rows
from darkclr_ray.losses.norm_penalty import norm_penalty
from darkclr_ray.losses.nt_xent import nt_xent
from darkclr_ray.losses.similarity import similarities
from darkclr_ray.losses.uniformity import uniformity
from darkclr_ray.losses.variance import variance_hinge
from darkclr_ray.networks.encoder import Encoder
from darkclr_ray.randomness import digest
from darkclr_ray.settings import ContrastiveSettings, EncoderSettings, InputSettings, ViewSettings
from darkclr_ray.training.base import EncoderCollapsed, Training, adam, packed_inputs
from darkclr_ray.training.parallel import of_first_rank

VALIDATION_JETS = 2000
"""Number of background jets on which every epoch's loss and collapse are measured, with the epoch's end weights."""

JETS_AT_ONCE = 200
"""Largest number of validation jets per forward pass."""


def encoder_key(
    sample: str,
    validation: str,
    *,
    encoder: EncoderSettings,
    contrastive: ContrastiveSettings,
    views: ViewSettings,
    inputs: InputSettings,
    seed: int,
) -> dict[str, Any]:
    """Return all values that determine an encoder, as JSON: `ContrastiveTraining.key` without making its network.

    Args:
        sample: fingerprint of the background jets.
        validation: fingerprint of the validation jets that are used.
        encoder, contrastive, views, inputs, seed: see `ContrastiveTraining`.
    """
    key: dict[str, Any] = {
        "kind": ContrastiveTraining.kind,
        "encoder": encoder.model_dump(mode="json"),
        "inputs": inputs.model_dump(mode="json"),
        "contrastive": {"epochs": 0},
        "seed": seed,
    }
    if contrastive.epochs:
        key["contrastive"] = contrastive.model_dump(mode="json")
        key["views"] = views.model_dump(mode="json")
        key["sample"] = sample
        key["validation"] = validation
    return key


class ContrastiveTraining(Training):
    """Train an encoder on views of background jets; the epoch of lowest validation loss is kept.

    The authors' code keeps the epoch of lowest training loss, whose mean over an epoch is that of weights which are not
    kept, and which still falls, by the penalty on the norm, if an encoder collapses. Here the loss is evaluated after
    each epoch on fixed views of validation background, without dropout. `EncoderCollapsed` is raised after an epoch in
    which more than a tenth of the validation jets have the same representation (`evaluation.collapse`).

    Args:
        sample: background jets; only their fingerprint is used here.
        source: source of their augmented views, made with the same ``views``, ``inputs`` and ``seed``.
        validation: other background jets, of which the first 2,000 are used.
        encoder, contrastive, views, inputs, seed: as in a study's settings. With ``contrastive.epochs`` = 0 the encoder
            keeps its initial weights, and neither views nor sample are part of the key.

    Attributes:
        encoder: the network.
        inputs: settings of its inputs.
    """

    kind = "representation"

    def __init__(
        self,
        sample: TrainingSample,
        source: ViewSource,
        validation: TrainingSample,
        *,
        encoder: EncoderSettings,
        contrastive: ContrastiveSettings,
        views: ViewSettings,
        inputs: InputSettings,
        seed: int,
    ) -> None:
        super().__init__()
        self.source, self.inputs, self.settings, self.seed = source, inputs, contrastive, seed
        self.encoder = Encoder(encoder, seed=digest("encoder", seed) >> 1)
        self.modules = {"encoder": self.encoder}
        self.optimizer = adam(
            self.modules,
            contrastive.learning_rate,
            betas=(contrastive.adam_beta1, contrastive.adam_beta2),
            eps=contrastive.adam_epsilon,
        )
        self.epochs = contrastive.epochs
        self.steps_per_epoch = source.steps_per_epoch
        self.batch_size = contrastive.batch_size
        self.validation = validation.jets.take(np.arange(min(len(validation), VALIDATION_JETS)))
        self.views = views
        self._foreign: tuple[str, ...] = registry.plugin_modules(views) if contrastive.epochs else ()
        self._key = encoder_key(
            sample.fingerprint,
            TrainingSample(self.validation).fingerprint,
            encoder=encoder,
            contrastive=contrastive,
            views=views,
            inputs=inputs,
            seed=seed,
        )

    def key(self) -> dict[str, Any]:
        return self._key

    def plugin_modules(self) -> tuple[str, ...]:
        return self._foreign

    def stream(self, first_epoch: int, rank: int, world_size: int) -> Iterator[ViewBatch]:
        return self.source.stream(first_epoch, self.epochs, rank, world_size)

    def size(self, batch: ViewBatch) -> int:
        return len(batch.ids)

    def prepare(self, batch: ViewBatch) -> tuple[Tensor, Tensor, int, int]:
        return *packed_inputs(batch.constituents, batch.offsets, self.device), batch.views

    def step_key(self, batch: ViewBatch) -> tuple[int | str, ...]:
        return "dropout", self.seed, batch.epoch, batch.step, self.rank

    def loss(self, constituents: Tensor, offsets: Tensor, longest: int, views: int) -> dict[str, Tensor]:
        z = self.encoder(constituents, offsets, dropout=self.generator, longest=longest).head
        z = z.view(views, len(z) // views, -1)
        similar = similarities(z)
        loss = LOSSES[self.settings.loss](z, similar, self.settings, self.share())
        names = ("similarity_positive", "similarity_anomalous")
        with torch.no_grad():
            return {
                "loss": loss,
                **dict(zip(names, similar.mean(1), strict=False)),
                "norm_background": norm_penalty(z[0]),
            }

    def share(self) -> Share:
        if self.world_size == 1:
            return None
        return batch_slice(self.batch_size, self.rank, self.world_size).start, self.batch_size

    def graph_capturable(self, inputs: Sequence[Any]) -> bool:
        return bool(inputs[2] <= LONGEST_PACKED)

    def record(self, means: dict[str, float]) -> dict[str, Any]:
        """Add the validation loss and the measures of collapse, with the epoch's end weights, to its record."""
        measured = self.validate() if self.rank == 0 else {}
        if self.world_size > 1:  # ranks may differ in the last bit, but have to end a training together
            names = ("validation_loss", "share_at_median", "median_distance", "effective_rank", "collapsed")
            measured = {n: of_first_rank(float(measured.get(n, 0.0)), self.rank, self.device) for n in names}
            measured["collapsed"] = bool(measured["collapsed"])
        return super().record(means) | measured

    @torch.no_grad()
    def validate(self) -> dict[str, Any]:
        """Return the loss of fixed views of the validation jets, and the collapse of the anchors' representations."""
        self.encoder.eval()
        with frozen_weights(self.encoder):
            parts = [self.representations(batch) for batch in self.validation_batches]
        z = torch.cat(parts, dim=1)
        loss = LOSSES[self.settings.loss](z, similarities(z), self.settings, None)
        return {"validation_loss": float(loss), **measure_collapse(z[0].cpu().numpy()).to_json()}

    @cached_property
    def validation_batches(self) -> list[ViewBatch]:
        """Return the views of the validation jets, which are the same in every epoch."""
        parts = np.array_split(np.arange(len(self.validation)), -(-len(self.validation) // JETS_AT_ONCE))
        jets = [self.validation.take(part) for part in parts]
        return [make_views(some, self.views, self.inputs, seed=self.seed, epoch=0) for some in jets]

    def representations(self, batch: ViewBatch) -> Tensor:
        """Return the representations (V, B, d_z) of all views of a batch, without dropout."""
        constituents, offsets, longest = packed_inputs(batch.constituents, batch.offsets, self.device)
        z: Tensor = self.encoder(constituents.to(self.device), offsets, longest=longest).head
        return z.view(batch.views, len(batch), -1)

    def check_history(self) -> None:
        """Raise EncoderCollapsed if the encoder collapsed in the last finished epoch."""
        if not (self.history and self.history[-1]["collapsed"]):
            return
        last = self.history[-1]
        raise EncoderCollapsed(
            f"the encoder collapsed: after epoch {last['epoch']}, {last['share_at_median']:.1%} of "
            f"{len(self.validation):,} validation background jets have the same representation, within {SAME:g} of its "
            f"norm (median distance {last['median_distance']:.1e}, effective rank {last['effective_rank']:.2f}); take "
            f"encoder.head_slope = 0.1, lower the learning rate ({self.settings.learning_rate:g}), or change the seed"
        )

    def describe(self) -> str:
        return f"learning rate {self.settings.learning_rate:g}, temperature {self.settings.temperature:g}"


def darkclr_loss(z: Tensor, similar: Tensor, settings: ContrastiveSettings, share: Share) -> Tensor:
    """Return Eq. 3 plus the penalty on the anchors' norm (Sec. 4).

    The arguments are z (3, B, d_z) = anchor, positive and anomalous view, and the similarities (2, B) of the anchor to
    the other two.
    """
    positive, anomalous = similar
    loss = anomaly_contrastive(positive, anomalous, settings.temperature) + settings.norm_penalty * norm_penalty(z[0])
    return loss + dimension_terms(z, settings, share)


def dimension_terms(z: Tensor, settings: ContrastiveSettings, share: Share) -> Tensor:
    """Return the weighted sum of the terms against a one-dimensional representation; 0 if all weights are 0.

    They see the directions of the anchors, as Eq. 3 does, so that the norm is left to its penalty.
    """
    total = z.new_zeros(())
    if settings.denominator_weight:
        directions = F.normalize(z[:2], dim=-1)
        term = background_denominator(directions[0], directions[1], settings.temperature, share=share)
        total = total + settings.denominator_weight * term
    if not (settings.variance_weight or settings.covariance_weight or settings.uniformity_weight):
        return total
    directions = gather_rows(F.normalize(z[0], dim=-1), share)
    scaled = directions * math.sqrt(z.shape[-1])
    if settings.variance_weight:
        total = total + settings.variance_weight * variance_hinge(scaled)
    if settings.covariance_weight:
        total = total + settings.covariance_weight * squared_covariance(scaled)
    if settings.uniformity_weight:
        total = total + settings.uniformity_weight * uniformity(directions)
    return total


def jetclr_loss(z: Tensor, similar: Tensor, settings: ContrastiveSettings, share: Share) -> Tensor:
    """Return NT-Xent between anchor z[0] and positive z[1], (B, d_z), with negatives from the whole global batch."""
    return nt_xent(z[0], z[1], settings.temperature, share=share)


LOSSES: dict[str, Callable[[Tensor, Tensor, ContrastiveSettings, Share], Tensor]] = {
    "anomaly_contrastive": darkclr_loss,
    "nt_xent": jetclr_loss,
}
"""Loss functions by their name in the settings."""
