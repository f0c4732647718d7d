"""Training of encoder and classifier, end to end, between background jets and their anomalous views."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from darkclr_ray.augmentations import registry
from darkclr_ray.augmentations.anomalous import anomalous_jets
from darkclr_ray.augmentations.views import ViewBatch, ViewSource
from darkclr_ray.evaluation.roc import auc
from darkclr_ray.jets.packed import Jets, TrainingSample
from darkclr_ray.kernels.available import LONGEST_PACKED
from darkclr_ray.networks.classifier import Classifier
from darkclr_ray.networks.encoder import Encoder
from darkclr_ray.randomness import digest
from darkclr_ray.settings import EncoderSettings, InputSettings, ViewSettings, ViewsNetworkSettings
from darkclr_ray.training.base import Training, adam, packed_inputs, to_tensor
from darkclr_ray.training.inference import represent
from darkclr_ray.training.supervised import backbone


class ViewsNetworkTraining(Training):
    """Train encoder and classifier by binary cross-entropy between background jets and one view of each.

    The epoch with the largest area under the ROC curve on held-out background and views of another family is kept. The
    learning rate rises linearly in the first epochs and then falls along a cosine.

    Args:
        sample: background jets; only their fingerprint is used here.
        source: source of pairs of a jet and its view: the views of `pair_views`.
        held_out: background jets that are not in ``sample``, and their views of the held-out family.
        encoder: settings of the encoder; the classifier replaces its head, so that `d_z` has no effect.
        network, inputs, seed: as in a study's settings.
        family: transformation of the views.

    Attributes:
        encoder, classifier: the networks; the classifier takes the encoder's pooled output.
        inputs: settings of the encoder's inputs.
    """

    kind = "views_network"

    def __init__(
        self,
        sample: TrainingSample,
        source: ViewSource,
        held_out: tuple[Jets, Jets],
        *,
        encoder: EncoderSettings,
        network: ViewsNetworkSettings,
        inputs: InputSettings,
        family: str,
        seed: int,
    ) -> None:
        super().__init__()
        self.source, self.held_out, self.inputs, self.settings, self.seed = source, held_out, inputs, network, seed
        self.encoder = Encoder(backbone(encoder), seed=digest("encoder", seed) >> 1)
        self.classifier = Classifier(encoder.d_r, seed=digest("classifier", seed) >> 1)
        self.modules = {"encoder": self.encoder, "classifier": self.classifier}
        self.optimizer = adam(self.modules, network.learning_rate)
        self.epochs, self.batch_size = network.epochs, network.batch_size
        self.steps_per_epoch = source.steps_per_epoch
        self._foreign = registry.plugin_modules(network.views.model_copy(update={"positive": (family,)}))
        self._key = {
            "kind": self.kind,
            "encoder": backbone(encoder).model_dump(mode="json"),
            "inputs": inputs.model_dump(mode="json"),
            "network": network.model_dump(mode="json", exclude={"networks"}),
            "family": family,
            "sample": sample.fingerprint,
            "held_out": TrainingSample(held_out[0]).fingerprint,
            "seed": seed,
        }

    def key(self) -> dict[str, Any]:
        return self._key

    def plugin_modules(self) -> tuple[str, ...]:
        return self._foreign

    def stream(self, first_epoch: int, rank: int, world_size: int) -> Iterator[ViewBatch]:
        return self.source.stream(first_epoch, self.epochs, rank, world_size)

    def size(self, batch: ViewBatch) -> int:
        return len(batch.ids)

    def prepare(self, batch: ViewBatch) -> tuple[Tensor, Tensor, int]:
        return packed_inputs(batch.constituents, batch.offsets, self.device)

    def step_key(self, batch: ViewBatch) -> tuple[int | str, ...]:
        return "dropout", self.seed, batch.epoch, batch.step, self.rank

    def graph_capturable(self, inputs: Sequence[Any]) -> bool:
        return bool(inputs[2] <= LONGEST_PACKED)

    def begin_epoch(self, epoch: int) -> None:
        """Prepare an epoch, with a new optimiser: a recorded CUDA graph has a fixed learning rate."""
        super().begin_epoch(epoch)
        state = self.optimizer.state_dict()
        self.optimizer = adam(self.modules, self.settings.learning_rate)
        self.optimizer.load_state_dict(state)
        for group in self.optimizer.param_groups:
            group["lr"] = self.settings.learning_rate * rate(epoch, self.epochs, self.settings.warm_up)

    def loss(self, constituents: Tensor, offsets: Tensor, longest: int) -> dict[str, Tensor]:
        logits = self.classifier(self.encoder(constituents, offsets, dropout=self.generator, longest=longest).pooled)
        anomalous = torch.arange(len(logits), device=logits.device) >= len(logits) // 2
        smoothing = self.settings.label_smoothing
        labels = anomalous.to(logits.dtype) * (1.0 - smoothing) + 0.5 * smoothing
        return {"loss": F.binary_cross_entropy_with_logits(logits, labels)}

    def record(self, means: dict[str, float]) -> dict[str, Any]:
        """Add one minus the area under the ROC curve on views of the held-out family to the epoch's record."""
        background, views = (self.logits(jets) for jets in self.held_out)
        return super().record(means) | {"held_out_error": 1.0 - auc(background.cpu(), views.cpu())}

    def logits(self, jets: Jets) -> Tensor:
        """Return the logits of jets, (B,), without dropout."""
        with torch.no_grad():
            pooled = represent(self.encoder, self.inputs, jets, "pooled")
            logits: Tensor = self.classifier(to_tensor(pooled, self.device))
        return logits

    def describe(self) -> str:
        return f"learning rate {self.settings.learning_rate:g}"


def rate(epoch: int, epochs: int, warm_up: float) -> float:
    """Return the learning rate of an epoch in units of the largest one: a linear rise, then a cosine.

    >>> [round(rate(epoch, 10, 0.2), 2) for epoch in range(10)]
    [0.33, 0.67, 1.0, 0.96, 0.85, 0.69, 0.5, 0.31, 0.15, 0.04]
    """
    rising = round(warm_up * epochs)
    if epoch < rising:
        return (epoch + 1) / (rising + 1)
    return 0.5 * (1.0 + math.cos(math.pi * (epoch - rising) / (epochs - rising)))


def pair_views(views: ViewSettings, family: str) -> ViewSettings:
    """Return settings whose two views are a jet under the anchor's transformations, and the same after ``family``."""
    return views.model_copy(update={"positive": (family, "recentring", *views.anchor), "anomalous": ()})


def held_out_views(jets: Jets, network: ViewsNetworkSettings, inputs: InputSettings, seed: int) -> Jets:
    """Return views of the held-out family. Raises ValueError for an unknown transformation."""
    views = network.views.model_copy(update={"anchor": (), "anomalous": (network.held_out,)})
    return anomalous_jets(jets, views, inputs, seed=seed, purpose="held-out views")
