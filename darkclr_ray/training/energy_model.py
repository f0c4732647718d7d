"""Module that scales representations and computes their energy, and its scales, bottleneck and energies in blocks."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn

from darkclr_ray.evaluation.collapse import effective_rank
from darkclr_ray.networks.autoencoder import Autoencoder
from darkclr_ray.settings import NAESettings
from darkclr_ray.training.base import to_tensor

DEAD_DIMENSION = 0.01
"""Fraction of the root mean square standard deviation that is the smallest scale of a dimension."""
BLOCK = 1 << 16
"""Number of representations that are checked, or summed, at a time."""


class EnergyModel(nn.Module):
    """Module that scales representations and computes the autoencoder's squared error per dimension.

    Args:
        d_z: dimension of the representations.
        settings: settings of the autoencoder.
        seed: seed of its initial weights.
    """

    mean: Tensor
    scale: Tensor

    def __init__(self, d_z: int, settings: NAESettings, *, seed: int = 0) -> None:
        super().__init__()
        self.autoencoder = Autoencoder(d_z, settings, seed=seed)
        self.register_buffer("mean", torch.zeros(d_z))
        self.register_buffer("scale", torch.ones(d_z))

    def scaled(self, z: Tensor) -> Tensor:
        """Return scaled representations (z - mean) / scale, (B, d_z)."""
        return (z - self.mean) / self.scale

    def forward(self, z: Tensor) -> Tensor:
        """Return the energy, float32 (B,), of unscaled representations z (B, d_z): Eq. 8 as mean squared error.

        The text of the paper defines it as the mean squared error, Eq. 8 as the L2 norm; see `losses.reconstruction`.
        """
        return self.autoencoder.energy(self.scaled(z))


def fitted_scale(z: NDArray[np.float32], how: str) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return mean and scale, (d_z,) each, of background representations z (B, d_z), as `NAESettings.scale` defines.

    >>> fitted_scale(np.array([[0.0, 0.0], [2.0, 6.0]], dtype=np.float32), "dimension")[1].tolist()
    [1.0, 3.0]
    """
    mean, deviation = moments(z)
    common = math.sqrt(np.square(deviation).mean()) or 1.0
    scales = {
        "dimension": (mean, np.maximum(deviation, DEAD_DIMENSION * common)),
        "global": (mean, np.full_like(deviation, common)),
        "none": (np.zeros_like(mean), np.ones_like(deviation)),
    }
    shift, scale = scales[how]
    return shift.astype(np.float32), scale.astype(np.float32)


def stored_model(path: Path, d_z: int, settings: NAESettings) -> EnergyModel:
    """Return an untrained model whose bottleneck is that of the weights in a file, for `load_weights`.

    A file from which it cannot be read gets the bottleneck of the settings, and `load_weights` says what is wrong.
    """
    with suppress(SafetensorError, OSError), safe_open(path, "numpy") as file:
        bottleneck = file.get_slice("autoencoder.decoder.0.weight").get_shape()[1]
        settings = settings.model_copy(update={"bottleneck": bottleneck})
    return EnergyModel(d_z, settings)


def fitted_bottleneck(z: NDArray[np.float32], settings: NAESettings) -> int:
    """Return the dimension of the bottleneck for background representations z (B, d_z).

    It is that of the settings or, with ``narrow_bottleneck``, the effective rank of z rounded down where that is
    smaller, and at least 1.

    >>> line = np.outer(np.arange(5, dtype=np.float32), [1.0, 2.0, 3.0, 4.0])
    >>> fitted_bottleneck(line, NAESettings(narrow_bottleneck=True)), fitted_bottleneck(line, NAESettings())
    (1, 3)
    """
    if not settings.narrow_bottleneck:
        return settings.bottleneck
    return max(1, min(settings.bottleneck, math.floor(effective_rank(z))))


def moments(z: NDArray[np.float32]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return mean and standard deviation, float64 (d_z,) each, of representations z (B, d_z), read in blocks.

    >>> moments(np.array([[0.0, 0.0], [2.0, 6.0]], dtype=np.float32))[1].tolist()
    [1.0, 3.0]
    """

    def mean_of(term: Callable[[NDArray[np.float64]], NDArray[np.float64]]) -> NDArray[np.float64]:
        total = np.zeros((1, z.shape[1]))
        for part in blocks(z):
            # the sum goes on where that of the block before ended, so that it does not depend on the blocks
            total = np.add.reduce(np.concatenate([total, term(part.astype(np.float64))]), axis=0, keepdims=True)
        mean: NDArray[np.float64] = total[0] / len(z)
        return mean

    mean = mean_of(lambda part: part)
    return mean, np.sqrt(mean_of(lambda part: np.square(part - mean)))


def blocks(z: NDArray[np.float32]) -> Iterator[NDArray[np.float32]]:
    """Yield z (B, d_z) in blocks of rows, so that temporary arrays do not grow with B."""
    return (z[start : start + BLOCK] for start in range(0, len(z), BLOCK))


def energies(model: EnergyModel, z: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return energies (B,) of unscaled representations z (B, d_z), computed in chunks."""
    device = model.mean.device
    with torch.inference_mode():
        parts = [model(to_tensor(part, device)) for part in np.array_split(z, len(z) // 65536 + 1)]
        return torch.cat(parts).double().cpu().numpy()
