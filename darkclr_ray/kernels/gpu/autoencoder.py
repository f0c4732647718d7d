"""Autoencoder on a GPU: layers of aligned widths, and Langevin chains on chip."""

from __future__ import annotations

from itertools import chain

import torch
import torch.nn.functional as F
from torch import Tensor

from darkclr_ray.kernels.gpu import chains
from darkclr_ray.kernels.gpu.matmul import aligned, cast_together, linear
from darkclr_ray.kernels.layers import layers_of
from darkclr_ray.langevin import LastStep, from_energy
from darkclr_ray.losses.reconstruction import squared_error
from darkclr_ray.networks.autoencoder import Autoencoder

WIDEST = 128
"""Largest width of a hidden layer for which chains are kept on chip."""


def reconstruct(autoencoder: Autoencoder, z: Tensor) -> Tensor:
    """Compute `Autoencoder.forward`."""
    layers = layers_of(autoencoder)
    slopes = [() if after is None else tuple(after.parameters()) for _, after in layers]
    given = [*(layer.weight for layer, _ in layers), *(layer.bias for layer, _ in layers), *chain(*slopes)]
    parameters = iter(cast_together(given, autoencoder.matmul_dtype))
    weights, biases = aligned([next(parameters) for _ in layers], [next(parameters) for _ in layers])
    x = z.to(autoencoder.matmul_dtype)
    for (_, after), weight, bias, own in zip(layers, weights, biases, slopes, strict=True):
        x = linear(x, weight, bias)
        if own:
            x = F.prelu(x, next(parameters))
        elif after is not None:
            x = after(x)
    return x.to(z.dtype)


def potential(autoencoder: Autoencoder, z: Tensor) -> tuple[Tensor, Tensor]:
    """Compute `Autoencoder.potential`, whose gradient needs no gradients of the weights."""
    return from_energy(lambda z: autoencoder.d_z * squared_error(z, Autoencoder.forward(autoencoder, z)))(z)


def walk(
    autoencoder: Autoencoder, z: Tensor, *, step_size: float, noise: float, steps: int, generator: torch.Generator
) -> LastStep:
    """Compute `Autoencoder.walk`, in bfloat16 and for narrow layers on chip."""
    *hidden, _ = layers_of(autoencoder)
    narrow = max(layer.out_features for layer, _ in hidden) <= WIDEST
    on_chip = narrow and autoencoder.matmul_dtype == torch.bfloat16
    run = walk_on_chip if on_chip else Autoencoder.walk
    return run(autoencoder, z, step_size=step_size, noise=noise, steps=steps, generator=generator)


def walk_on_chip(
    autoencoder: Autoencoder, z: Tensor, *, step_size: float, noise: float, steps: int, generator: torch.Generator
) -> LastStep:
    """Compute `Autoencoder.walk` with all steps but the last on chip."""
    chains.walk(autoencoder, z, step_size=step_size, noise=noise, steps=steps - 1, generator=generator)
    return Autoencoder.walk(autoencoder, z, step_size=step_size, noise=noise, steps=1, generator=generator)
