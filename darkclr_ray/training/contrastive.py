"""Contrastive training of the encoder on views of background jets (Sec. 3.1)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from darkclr_ray.augmentations import registry
from darkclr_ray.augmentations.views import ViewBatch, ViewSource
from darkclr_ray.jets.batching import batch_slice
from darkclr_ray.jets.packed import TrainingSample
from darkclr_ray.kernels.available import LONGEST_PACKED
from darkclr_ray.losses.anomaly_contrastive import anomaly_contrastive
from darkclr_ray.losses.norm_penalty import norm_penalty
from darkclr_ray.losses.nt_xent import nt_xent
from darkclr_ray.losses.similarity import similarities
from darkclr_ray.networks.encoder import Encoder
from darkclr_ray.randomness import digest
from darkclr_ray.settings import ContrastiveSettings, EncoderSettings, InputSettings, ViewSettings
from darkclr_ray.training.base import CPU, Training, adam, numbers, packed_inputs, to_tensor

Share = tuple[int, int] | None
"""First position of a rank's jets in the global batch and the number of jets in it; None for a single process."""

COLLAPSED = 1e-3
"""Relative spread of representations below which they are considered constant (collapsed)."""


def encoder_key(
    sample: str,
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
    return key


class ContrastiveTraining(Training):
    """Train an encoder on views of background jets; the epoch of lowest training loss is kept (authors' code).

    Args:
        sample: background jets; only their fingerprint is used here.
        source: source of their augmented views, made with the same ``views``, ``inputs`` and ``seed``.
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
        self.last_batch: ViewBatch | None = None
        self._foreign: tuple[str, ...] = registry.plugin_modules(views) if contrastive.epochs else ()
        self._key = encoder_key(
            sample.fingerprint, encoder=encoder, contrastive=contrastive, views=views, inputs=inputs, seed=seed
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
        self.last_batch = batch
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
        """Add the `spread` of the last batch's anchors' representations, without dropout, to the epoch's record."""
        assert self.last_batch is not None
        offsets = self.last_batch.offsets[: len(self.last_batch) + 1]
        anchors = to_tensor(self.last_batch.constituents[: offsets[-1]], self.device)
        self.encoder.eval()
        with torch.no_grad():
            z = self.encoder(anchors, to_tensor(offsets, CPU), longest=int(np.diff(offsets).max())).head
            spreads = numbers(self.global_means({"spread": spread(z)}, len(z)))
        record = super().record(means) | spreads | {"collapsed": spreads["spread"] < COLLAPSED}
        if record["collapsed"]:
            record["warning"] = (
                f"the encoder gives (nearly) the same representation to every jet: relative spread "
                f"{spreads['spread']:.1e}; lower the learning rate ({self.settings.learning_rate:g}) or change the seed"
            )
        return record

    def describe(self) -> str:
        return f"learning rate {self.settings.learning_rate:g}, temperature {self.settings.temperature:g}"


def spread(z: Tensor) -> Tensor:
    """Return the relative spread of representations z (B, d_z), in [0, 1]; 0 for a constant network.

    It is the root mean square distance from their mean divided by their root mean square norm.

    >>> round(float(spread(torch.eye(2))), 3)
    0.707
    """
    around = (z - z.mean(0)).square().sum(1).mean().sqrt()
    return around / z.square().sum(1).mean().sqrt().clamp_min(torch.finfo(z.dtype).tiny)


def darkclr_loss(z: Tensor, similar: Tensor, settings: ContrastiveSettings, share: Share) -> Tensor:
    """Return Eq. 3 plus the penalty on the anchors' norm (Sec. 4).

    The arguments are z (3, B, d_z) = anchor, positive and anomalous view, and the similarities (2, B) of the anchor to
    the other two.
    """
    positive, anomalous = similar
    return anomaly_contrastive(positive, anomalous, settings.temperature) + settings.norm_penalty * norm_penalty(z[0])


def jetclr_loss(z: Tensor, similar: Tensor, settings: ContrastiveSettings, share: Share) -> Tensor:
    """Return NT-Xent between anchor z[0] and positive z[1], (B, d_z), with negatives from the whole global batch."""
    return nt_xent(z[0], z[1], settings.temperature, share=share)


LOSSES: dict[str, Callable[[Tensor, Tensor, ContrastiveSettings, Share], Tensor]] = {
    "anomaly_contrastive": darkclr_loss,
    "nt_xent": jetclr_loss,
}
"""Loss functions by their name in the settings."""
