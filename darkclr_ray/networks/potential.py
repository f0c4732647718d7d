"""Potential of Langevin chains from an autoencoder, with its gradient computed without autograd.

U(z) = ||z - z'(z)||^2 and its gradient 2 (1 - J^T) (z - z'), J = dz'/dz, are a sequence of matrix products whose
weights are constant along a chain, so that they are cast once.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from darkclr_ray.langevin import LangevinKernel, LastStep, step_by_step
from darkclr_ray.networks.autoencoder import Autoencoder, slope_of
from darkclr_ray.networks.kernels.available import has_kernels
from darkclr_ray.networks.matmul import affine, aligned, multiply
from darkclr_ray.networks.precision import product_type

WIDEST = 128
"""Largest width of a hidden layer for which chains are kept on chip."""


class Layer(NamedTuple):
    """Weight and bias of a linear layer, and the slope of the PReLU after it, or None without an activation."""

    weight: Tensor
    bias: Tensor
    slope: Tensor | None


class ReconstructionPotential:
    """Squared error summed over dimensions (d_z times the energy) of an autoencoder with its current weights.

    A call with z, float32 (B, d_z), returns values (B,) and gradients (B, d_z), both float32. It is undefined whether
    later changes of the autoencoder's weights have an effect: create a new potential for every chain.
    """

    def __init__(self, autoencoder: Autoencoder) -> None:
        self.autoencoder = autoencoder
        self.matmul_dtype = autoencoder.matmul_dtype
        self.activation = autoencoder.activation
        self.compiled = autoencoder.compiled()
        self.layers: list[dict[torch.dtype, Layer]] = []
        layers = [] if self.compiled else list(autoencoder.layers())
        weights = [linear.weight.detach() for linear, _ in layers]
        biases = [linear.bias.detach() for linear, _ in layers]
        if any(weight.is_cuda for weight in weights):
            weights, biases = aligned(weights, biases)
        for (linear, after), weight, bias in zip(layers, weights, biases, strict=True):
            slope = None if after is None else slope_of(after, linear).detach()
            self.layers.append(
                {
                    dtype: Layer(weight.to(dtype), bias.to(dtype), None if slope is None else slope.to(dtype))
                    for dtype in {weight.dtype, self.matmul_dtype}
                }
            )

    def walk(self) -> LangevinKernel | None:
        """Return the kernel that runs many steps of chains at once, in C on a CPU or in bfloat16 on a GPU, or None."""
        if self.compiled is not None:
            return self.on_cpu
        last, *hidden = reversed(list(self.autoencoder.layers()))
        narrow = max(linear.out_features for linear, _ in hidden) <= WIDEST
        if not (last[0].weight.is_cuda and self.matmul_dtype == torch.bfloat16 and narrow and has_kernels()):
            return None
        return self.on_gpu

    def on_cpu(self, z: Tensor, *, step_size: float, noise: float, steps: int, generator: torch.Generator) -> LastStep:
        """Run a `LangevinKernel` with compiled CPU kernels."""
        assert self.compiled is not None
        return LastStep(*self.compiled.walk(z, step_size=step_size, noise=noise, steps=steps, generator=generator))

    def on_gpu(self, z: Tensor, *, step_size: float, noise: float, steps: int, generator: torch.Generator) -> LastStep:
        """Run a `LangevinKernel` with all steps but the last on chip."""
        from darkclr_ray.networks.kernels.gpu.chains import walk  # needs Triton

        walk(self.autoencoder, z, step_size=step_size, noise=noise, steps=steps - 1, generator=generator)
        return step_by_step(self, z, step_size=step_size, noise=noise, steps=1, generator=generator)

    @torch.no_grad()
    def __call__(self, z: Tensor) -> tuple[Tensor, Tensor]:
        if self.compiled is not None:
            return self.compiled.potential(z)
        passed: list[tuple[Layer, Tensor]] = []
        x = z
        for types in self.layers:
            layer = types[product_type(self.matmul_dtype, x, types[z.dtype].weight)]
            x = affine(x.to(layer.bias.dtype), layer.weight, layer.bias)
            passed.append((layer, x))
            if layer.slope is not None:
                x = self.activation.function(x, layer.slope)
        residual = z - x.to(z.dtype)
        gradient = residual
        for layer, x in reversed(passed):
            gradient = gradient.to(x.dtype)
            if layer.slope is not None:
                gradient = self.activation.backward(gradient, x, layer.slope)
            gradient = multiply(gradient, layer.weight)
        return residual.square().sum(1), residual.sub(gradient.to(z.dtype)).mul_(2)
