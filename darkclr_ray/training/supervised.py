"""Training of the supervised classifier (Sec. 5.2), a transformer with labels that serves as a reference."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from darkclr_ray.evaluation.matching import pt_weights
from darkclr_ray.jets.batching import batch_slice, rank_slice
from darkclr_ray.jets.labelled import LabelledSample
from darkclr_ray.jets.preprocessing import network_inputs
from darkclr_ray.kernels.available import LONGEST_PACKED
from darkclr_ray.networks.classifier import Classifier
from darkclr_ray.networks.encoder import Encoder
from darkclr_ray.randomness import digest, keyed_generator
from darkclr_ray.settings import EncoderSettings, InputSettings, SupervisedSettings
from darkclr_ray.training.base import CPU, Training, adam, packed_inputs, to_tensor
from darkclr_ray.training.inference import represent
from darkclr_ray.training.parallel import gather_rows

COLLAPSED = 1e-3
"""Standard deviation of validation logits below which they are considered constant (collapsed)."""


@dataclass(frozen=True, eq=False)
class LabelledBatch:
    """Network inputs of B jets, with labels and weights float32 (B,), for ``step`` of ``epoch``."""

    constituents: NDArray[np.float32]
    offsets: NDArray[np.int64]
    labels: NDArray[np.float32]
    weights: NDArray[np.float32]
    epoch: int
    step: int


class SupervisedTraining(Training):
    """Train encoder and classifier by binary cross-entropy; the epoch of lowest validation loss is kept.

    Both classes have the same total weight. If the logits are the same for every jet, as after too high a learning
    rate, the epoch's record has ``collapsed`` and a warning.

    Args:
        sample: jets of both classes; a fraction of them is held out for the validation loss.
        encoder: settings of the encoder; the classifier replaces its head, so that `d_z` has no effect.
        inputs, supervised, seed: as in a study's settings.

    Attributes:
        encoder, classifier: the networks; the classifier takes the encoder's pooled output.
        inputs: settings of the encoder's inputs.
    """

    kind = "supervised"

    def __init__(
        self,
        sample: LabelledSample,
        *,
        encoder: EncoderSettings,
        inputs: InputSettings,
        supervised: SupervisedSettings,
        seed: int,
    ) -> None:
        super().__init__()
        self.inputs, self.settings, self.seed = inputs, supervised, seed
        self.sample, self.held_out = sample.train_test_split(supervised.validation, seed)
        self.weights, self.held_out_weights = (
            class_weights(part, supervised.match_pt) for part in (self.sample, self.held_out)
        )
        self.encoder = Encoder(backbone(encoder), seed=digest("encoder", seed) >> 1)
        self.classifier = Classifier(encoder.d_r, seed=digest("classifier", seed) >> 1)
        self.modules = {"encoder": self.encoder, "classifier": self.classifier}
        self.optimizer = adam(self.modules, supervised.learning_rate)
        self.epochs = supervised.epochs
        self.batch_size = min(supervised.batch_size, len(self.sample))
        self.steps_per_epoch = len(self.sample) // self.batch_size
        self._key = {
            "kind": self.kind,
            "encoder": backbone(encoder).model_dump(mode="json"),
            "inputs": inputs.model_dump(mode="json"),
            "supervised": supervised.model_dump(mode="json"),
            "sample": sample.fingerprint,
            "seed": seed,
        }

    def key(self) -> dict[str, Any]:
        return self._key

    def stream(self, first_epoch: int, rank: int, world_size: int) -> Iterator[LabelledBatch]:
        """Yield jets of both classes, permuted anew for each (seed, epoch); an incomplete last batch is dropped."""
        own = batch_slice(self.batch_size, rank, world_size)
        jets, labels = self.sample.jets, self.sample.labels
        for epoch in range(first_epoch, self.epochs):
            order = keyed_generator("labelled batches", self.seed, epoch).permutation(len(self.sample))
            for step in range(self.steps_per_epoch):
                rows = order[step * self.batch_size : (step + 1) * self.batch_size][own]
                constituents, offsets = network_inputs(jets.take(rows), self.inputs)
                yield LabelledBatch(constituents, offsets, labels[rows], self.weights[rows], epoch, step)

    def size(self, batch: LabelledBatch) -> int:
        return len(batch.labels)

    def prepare(self, batch: LabelledBatch) -> tuple[Tensor, Tensor, int, Tensor, Tensor]:
        jets = packed_inputs(batch.constituents, batch.offsets, self.device)
        return *jets, to_tensor(batch.labels, CPU), to_tensor(batch.weights, CPU)

    def step_key(self, batch: LabelledBatch) -> tuple[int | str, ...]:
        return "dropout", self.seed, batch.epoch, batch.step, self.rank

    def graph_capturable(self, inputs: Sequence[Any]) -> bool:
        return bool(inputs[2] <= LONGEST_PACKED)

    def loss(
        self, constituents: Tensor, offsets: Tensor, longest: int, labels: Tensor, weights: Tensor
    ) -> dict[str, Tensor]:
        pooled = self.encoder(constituents, offsets, dropout=self.generator, longest=longest).pooled
        return {"loss": cross_entropy(self.classifier(pooled), labels, weights)}

    def record(self, means: dict[str, float]) -> dict[str, Any]:
        """Add the loss on the validation jets, and the standard deviation of their logits, to the epoch's record."""
        logits = self.validation_logits()
        labels, weights = (to_tensor(a, self.device) for a in (self.held_out.labels, self.held_out_weights))
        loss = float(cross_entropy(logits, labels, weights))
        spread = float(logits.std(correction=0))
        record = super().record(means) | {"validation_loss": loss, "spread": spread, "collapsed": spread < COLLAPSED}
        if record["collapsed"]:
            record["warning"] = (
                f"the classifier says (nearly) the same of every jet: its logits spread by {spread:.1e}; lower the "
                f"learning rate ({self.settings.learning_rate:g}) or change the seed"
            )
        return record

    def validation_logits(self) -> Tensor:
        """Return logits of all validation jets, (B,), without dropout; the ranks share the computation."""
        jets = self.held_out.jets
        own = rank_slice(len(jets), self.rank, self.world_size)
        part = jets.take(np.arange(len(jets))[own])
        with torch.no_grad():
            pooled = represent(self.encoder, self.inputs, part, "pooled")
            logits: Tensor = self.classifier(to_tensor(pooled, self.device))
        return logits if self.world_size == 1 else gather_rows(logits, own.start, len(jets))

    def describe(self) -> str:
        return f"learning rate {self.settings.learning_rate:g}"


def backbone(settings: EncoderSettings) -> EncoderSettings:
    """Return the encoder's settings with the smallest possible head, which is not used here.

    >>> backbone(EncoderSettings()).d_r, backbone(EncoderSettings()).d_z
    (128, 2)
    """
    return settings.model_copy(update={"d_z": 2, "head_layers": 1})


def class_weights(sample: LabelledSample, match_pt: bool) -> NDArray[np.float32]:
    """Return weights (B,) with mean 1, in the order of ``sample.jets``, with the same sum for both classes.

    Args:
        sample: jets of both classes.
        match_pt: whether background is also weighted to the signal's spectrum of jet pT.
    """
    background = np.ones(len(sample.background))
    if match_pt:
        background = pt_weights(sample.background.pt, sample.signal.pt).weights
    signal = np.ones(len(sample.signal))
    half = len(sample) / 2
    weights = np.concatenate([background * (half / background.sum()), signal * (half / len(signal))])
    return weights.astype(np.float32)


def cross_entropy(logits: Tensor, labels: Tensor, weights: Tensor) -> Tensor:
    """Return the mean over jets of weight times binary cross-entropy, for logits, labels and weights (B,)."""
    return F.binary_cross_entropy_with_logits(logits, labels, weight=weights)
