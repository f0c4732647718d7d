"""Energies of an autoencoder, their gradients and Langevin chains on a CPU; the work is done in autoencoder.c."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from darkclr_ray.networks.kernels.cpu.compiled import compiled
from darkclr_ray.networks.products import multiply_rows
from darkclr_ray.normal import normal_quantiles

if TYPE_CHECKING:
    from darkclr_ray.networks.autoencoder import Autoencoder

UNITS = 8
"""Widths are padded to a multiple of it."""
LANES = 16
"""Rows in a vector of float32, at most."""
ACTIVATIONS = {"prelu", "relu"}
"""Activations that the kernels know: with a slope for negative values, which is a parameter or 0."""


class _Job(ctypes.Structure):
    _fields_ = (
        ("layers", ctypes.c_int),
        *((name, ctypes.c_void_p) for name in ("widths", "forward", "backward", "biases", "slopes")),
        ("widest", ctypes.c_int),
        ("all", ctypes.c_int),
        *((name, ctypes.c_void_p) for name in ("sizes", "z", "values", "gradient", "inputs", "signals", "of_slopes")),
        ("rows", ctypes.c_long),
        ("steps", ctypes.c_int),
        ("step_size", ctypes.c_float),
        ("noise", ctypes.c_float),
        ("seed", ctypes.c_uint64),
        ("quantiles", ctypes.c_void_p),
    )


def library(products: torch.dtype) -> ctypes.CDLL | None:
    """The compiled kernels for products of a type, if they can be had here."""
    source = Path(__file__).with_name("autoencoder.c")
    if products == torch.float32:
        return compiled(source)
    return (
        compiled(source, "BFLOAT16") if products == torch.bfloat16 and torch.cpu._is_avx512_bf16_supported() else None
    )


def compiled_autoencoder(autoencoder: Autoencoder) -> CompiledAutoencoder | None:
    """The autoencoder as it is now, if it is one, and lies where, kernels can be had for."""
    weight = next(autoencoder.parameters())
    fits = weight.device.type == "cpu" and weight.dtype == torch.float32 and autoencoder.activation.name in ACTIVATIONS
    kernels = library(autoencoder.products) if fits else None
    return None if kernels is None else CompiledAutoencoder(autoencoder, kernels)


class CompiledAutoencoder:
    """The squared error ||z - z'(z)||^2 of an autoencoder with the weights that it has now."""

    def __init__(self, autoencoder: Autoencoder, kernels: ctypes.CDLL) -> None:
        self.kernels = kernels
        self.products = autoencoder.products
        layers = list(autoencoder.layers())
        self.weights, self.biases = zip(*((linear.weight, linear.bias) for linear, _ in layers), strict=True)
        self.slopes = {
            place: parameter
            for place, (_, after) in enumerate(layers)
            for parameter in (() if after is None else after.parameters())
        }
        self.sizes = [layers[0][0].in_features, *(linear.out_features for linear, _ in layers)]
        widths = [-(-size // UNITS) * UNITS for size in self.sizes]
        forward = torch.zeros(sum(a * b for a, b in pairwise(widths)), dtype=self.products)
        self.own = {
            "widths": torch.tensor(widths, dtype=torch.int32),
            "sizes": torch.tensor(self.sizes, dtype=torch.int32),
            "forward": forward,
            "backward": torch.zeros_like(forward),
            "biases": torch.zeros(sum(widths[1:])),
            "slopes": torch.ones(len(layers)),
        }
        self.kernels.prepare(
            len(layers),
            *(ctypes.c_void_p(self.own[name].data_ptr()) for name in ("sizes", "widths")),
            addresses(self.weights),
            addresses(self.biases),
            *(ctypes.c_void_p(self.own[name].data_ptr()) for name in ("forward", "backward", "biases")),
        )
        for place, (_, after) in enumerate(layers):
            if after is not None:
                self.own["slopes"][place] = self.slopes[place].detach() if place in self.slopes else 0.0
        self.threads = torch.get_num_threads()
        self.widest, self.all = max(widths), sum(widths)
        self.memory = torch.empty(self.threads * LANES * 2 * (4 * self.widest + 2 * self.all + len(layers)))

    def energies(self, z: Tensor) -> Tensor:
        """Squared errors (B,) of z, float32 (B, d_z)."""
        values = torch.empty(len(z))
        self.run(z, values=values)
        return values

    def potential(self, z: Tensor) -> tuple[Tensor, Tensor]:
        """Squared errors (B,) and their gradients (B, d_z)."""
        values, gradient = torch.empty(len(z)), torch.empty(z.shape)
        self.run(z, values=values, gradient=gradient)
        return values, gradient

    def signals(self, z: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Squared errors (B,); what enters all layers but the first, side by side, (B, widths); minus half of the
        errors' derivatives by what leaves all layers, (B, widths), and by slopes, (B, layers - 1)."""
        inner = sum(self.sizes[1:-1])
        widths = (inner, inner + self.sizes[-1], len(self.sizes) - 2)
        values, (inputs, signals, of_slopes) = torch.empty(len(z)), (torch.empty(len(z), width) for width in widths)
        self.run(z, values=values, inputs=inputs, signals=signals, of_slopes=of_slopes)
        return values, inputs, signals, of_slopes

    def walk(self, z: Tensor, *, step_size: float, noise: float, steps: int, generator: torch.Generator) -> None:
        """Take chains z, float32 (B, d_z), in place, ``steps`` Langevin steps down the squared error (Eq. 10)."""
        seed = int(torch.empty((), dtype=torch.int64).random_(-(2**63), None, generator=generator)) % 2**64
        quantiles = normal_quantiles(z.dtype, z.device)
        assert z.is_contiguous()
        assert z.dtype == torch.float32
        self.run(z, step_size=step_size, noise=noise, steps=steps, seed=seed, quantiles=quantiles)

    def run(self, z: Tensor, **others: Tensor | float) -> None:
        if z.shape[1:] != (self.sizes[0],):
            raise ValueError(f"representations of shape {tuple(z.shape)}; expected (any number, {self.sizes[0]})")
        given: dict[str, Any] = {**self.own, "z": z.to(torch.float32).contiguous(), **others}
        pointers = {name: value.data_ptr() if isinstance(value, Tensor) else value for name, value in given.items()}
        job = _Job(layers=len(self.sizes) - 1, widest=self.widest, all=self.all, rows=len(z), **pointers)
        self.kernels.run(ctypes.byref(job), ctypes.c_void_p(self.memory.data_ptr()), self.threads)


def squared_errors(compiled: CompiledAutoencoder, z: Tensor) -> Tensor:
    """Squared errors (B,) of z, float32 (B, d_z), differentiable by the autoencoder's parameters."""
    if not torch.is_grad_enabled():
        return compiled.energies(z)
    parameters = (*compiled.weights, *compiled.biases, *compiled.slopes.values())
    errors: Tensor = _SquaredErrors.apply(compiled, z, *parameters)  # type: ignore[no-untyped-call]
    return errors


class _SquaredErrors(torch.autograd.Function):
    """The gradients of weights are products over rows, which torch's libraries are good at."""

    @staticmethod
    def forward(ctx: Any, compiled: CompiledAutoencoder, z: Tensor, *parameters: Tensor) -> Tensor:
        values, *signals = compiled.signals(z)
        ctx.save_for_backward(z, *signals)
        ctx.compiled = compiled
        return values

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        z, inputs, signals, of_slopes = ctx.saved_tensors
        compiled = ctx.compiled
        scale = -2 * gradient[:, None]
        signals = (signals * scale).to(compiled.products)
        inner = inputs.to(compiled.products).split(compiled.sizes[1:-1], dim=1)
        pairs = zip(signals.split(compiled.sizes[1:], dim=1), [z.to(compiled.products), *inner], strict=True)
        weights = [multiply_rows(out, x).float() for out, x in pairs]
        biases = signals.sum(0, dtype=torch.float32).split(compiled.sizes[1:])
        slopes = (of_slopes * scale).sum(0).split(1)
        return None, None, *weights, *biases, *(slopes[place] for place in compiled.slopes)


def addresses(tensors: Sequence[Tensor]) -> ctypes.Array[ctypes.c_void_p]:
    """Pointers to the values of contiguous tensors."""
    assert all(tensor.is_contiguous() for tensor in tensors)
    return (ctypes.c_void_p * len(tensors))(*(tensor.data_ptr() for tensor in tensors))
