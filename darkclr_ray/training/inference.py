"""Compute representations of jets with a trained encoder, without gradients."""

from __future__ import annotations

from itertools import pairwise
from typing import Any, Literal, Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from darkclr_ray.jets.packed import Jets
from darkclr_ray.jets.preprocessing import network_inputs
from darkclr_ray.kernels.frozen import frozen_weights
from darkclr_ray.networks.encoder import Encoder
from darkclr_ray.settings import InputSettings
from darkclr_ray.training.base import to_tensor

Layer = Literal["head", "pooled"]
"""Layer of a representation: the head's output z (d_z), or the sum over constituents before the head (d_r)."""

CONSTITUENTS_AT_ONCE = {"cpu": 2**13, "cuda": 2**18}
"""Approximate number of constituents per forward pass, which fits the cache of a core or fills a GPU."""


class JetEncoder(Protocol):
    """Protocol of trained encoders with the settings of their inputs and a key of their weights.

    `ContrastiveTraining` implements it.
    """

    @property
    def encoder(self) -> Encoder: ...

    @property
    def inputs(self) -> InputSettings: ...

    def key(self) -> dict[str, Any]: ...


def represent(encoder: Encoder, inputs: InputSettings, jets: Jets, layer: Layer = "head") -> NDArray[np.float32]:
    """Return representations of jets, float32 (B, d), computed on the encoder's device."""
    device = next(encoder.parameters()).device
    width = encoder.settings.d_z if layer == "head" else encoder.settings.d_r
    result = np.empty((len(jets), width), dtype=np.float32)
    encoder.eval()
    with torch.inference_mode(), frozen_weights(encoder):
        for members in make_batches(encoder, inputs, jets):
            constituents, offsets = network_inputs(jets.take(members), inputs)
            output = encoder(
                to_tensor(constituents, device),
                to_tensor(offsets, torch.device("cpu")),
                longest=int(np.diff(offsets).max()),
            )
            result[members] = getattr(output, layer).cpu().numpy()
    return result


def make_batches(encoder: Encoder, inputs: InputSettings, jets: Jets) -> list[slice] | list[NDArray[np.int64]]:
    """Return slices or indices of the jets of each forward pass.

    On a CPU the jets keep their order. On a GPU they are sorted by length, since each takes as long as the longest.
    """
    if not len(jets):
        return []
    sizes = np.minimum(jets.multiplicity, inputs.constituents)
    device = encoder.embedding.weight.device.type
    order = None if device == "cpu" else np.argsort(sizes, kind="stable")
    each = CONSTITUENTS_AT_ONCE[device]
    ends = np.cumsum(sizes if order is None else sizes[order])
    cuts = np.searchsorted(ends, np.arange(each, ends[-1], each))
    cuts = np.unique(cuts[cuts > 0])
    if order is not None:
        return np.split(order, cuts)
    return [slice(first, last) for first, last in pairwise([0, *cuts.tolist(), len(jets)])]
