"""Inputs of the benchmarks: the jets that ship with the package, and networks of two sizes."""

from __future__ import annotations

from functools import cache

import numpy as np
import torch
from torch import Tensor

from darkclr_ray.augmentations.views import ViewBatch
from darkclr_ray.detectors.darkclr import contrastive_training
from darkclr_ray.jets.folder import open_jets, starter_jets
from darkclr_ray.jets.packed import Jets, TrainingSample
from darkclr_ray.networks.padding import pad
from darkclr_ray.presets import preset
from darkclr_ray.settings import EncoderSettings, StudySettings
from darkclr_ray.training.contrastive import ContrastiveTraining
from darkclr_ray.training.trainer import Trainer

SIZES = {"Table 1": "paper", "small": "laptop"}
"""Mapping from the names of two encoder sizes to the presets that have them."""


@cache
def starter_background() -> Jets:
    """Return the background training jets of the starter set."""
    return open_jets(starter_jets()).load("train", "qcd")


def repeated(jets: Jets, count: int) -> Jets:
    """Return ``count`` jets that repeat the given ones, each with a unique id."""
    many = jets.take(np.arange(count) % len(jets))
    return Jets(many.constituents, many.offsets, np.arange(count), np.arange(count), many.kinematics)


def synthetic(count: int, constituents: int, seed: int = 0) -> Jets:
    """Return ``count`` random jets with exactly ``constituents`` constituents each."""
    random = np.random.default_rng(seed)
    pt = -np.sort(-random.exponential(6.0, (count, constituents)) - 0.5, axis=1)
    plane = random.normal(0.0, 0.25, (count, constituents, 2)).clip(-0.8, 0.8)
    numbers = np.arange(count)
    kinematics = np.stack([pt.sum(1), np.zeros(count), np.zeros(count), 0.1 * pt.sum(1)], axis=1)
    return Jets(
        np.concatenate([pt[:, :, None], plane], axis=2).reshape(-1, 3).astype(np.float32),
        np.arange(count + 1) * constituents,
        numbers,
        numbers.copy(),
        kinematics.astype(np.float32),
    )


def training_on(jets: Jets, settings: StudySettings) -> ContrastiveTraining:
    """Return a training of the encoder for one epoch on jets in memory, in this process."""
    return contrastive_training(settings.updated({"contrastive": {"epochs": 1}}), TrainingSample(jets), Trainer())


def settings_of(size: str) -> StudySettings:
    """Return the settings of a study with an encoder of `SIZES`."""
    return preset(SIZES[size])


def padded_views(batch: ViewBatch, length: int) -> tuple[Tensor, Tensor, Tensor]:
    """Return the views of a batch as zero-padded arrays for the reference implementation, (B, length, 3) each."""
    jets, _ = pad(torch.from_numpy(batch.constituents), torch.from_numpy(batch.offsets), length)
    anchor, positive, anomalous = jets.chunk(3)
    return anchor, positive, anomalous


def encoder_operations(settings: EncoderSettings, sizes: np.ndarray[tuple[int], np.dtype[np.int64]]) -> float:
    """Return the floating-point operations in the matrix products of a forward pass over jets of these sizes.

    The number is that of the layers as defined, without padding; kernels may need fewer operations.
    """
    rows, pairs = float(sizes.sum()), float(np.square(sizes).sum())
    block = 8 * settings.d_r**2 + 4 * settings.d_r * settings.d_h
    head = 2 * settings.d_r * settings.d_z + 2 * (settings.head_layers - 1) * settings.d_z**2
    return rows * (6 * settings.d_r + settings.layers * block) + (
        settings.layers * 4 * settings.d_r * pairs + len(sizes) * head
    )
