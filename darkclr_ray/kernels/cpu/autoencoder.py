"""Energies, gradients and Langevin chains of an autoencoder on a CPU; the kernels are in autoencoder.c."""

from __future__ import annotations

import ctypes
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from darkclr_ray.kernels.cpu.compiled import compiled_for
from darkclr_ray.kernels.frozen import copied
from darkclr_ray.kernels.layers import layers_of
from darkclr_ray.langevin import LastStep
from darkclr_ray.networks.autoencoder import Autoencoder
from darkclr_ray.normal import normal_quantiles

LANES = 16
"""Largest number of float32 rows in a vector register."""
ACTIVATIONS = {"prelu", "relu"}
"""Activations that the kernels support: those that are a slope, learned or 0, for negative values."""
RELU, NO_ACTIVATION = torch.zeros(1), torch.ones(1)
"""Fixed slopes for negative values of ReLU and of no activation."""


class _Job(ctypes.Structure):
    _fields_ = (
        ("layers", ctypes.c_int),
        *((name, ctypes.c_void_p) for name in ("widths", "forward", "backward", "biases", "slopes")),
        ("widest", ctypes.c_int),
        ("all", ctypes.c_int),
        *((name, ctypes.c_void_p) for name in ("sizes", "z", "values", "gradient")),
        ("rows", ctypes.c_long),
        ("steps", ctypes.c_int),
        ("step_size", ctypes.c_float),
        ("noise", ctypes.c_float),
        ("seed", ctypes.c_uint64),
        ("quantiles", ctypes.c_void_p),
        ("last", ctypes.c_void_p),
    )


def library(matmul_dtype: torch.dtype) -> ctypes.CDLL | None:
    """Return the compiled kernels for products of a dtype, or None if they are not available."""
    return compiled_for(Path(__file__).with_name("autoencoder.c"), matmul_dtype)


def supported(autoencoder: Autoencoder) -> ctypes.CDLL | None:
    """Return the kernels for an autoencoder, or None if they are not available or do not support it."""
    fits = next(autoencoder.parameters()).dtype == torch.float32 and autoencoder.activation in ACTIVATIONS
    return library(autoencoder.matmul_dtype) if fits else None


def energy(autoencoder: Autoencoder, z: Tensor) -> Tensor:
    """Compute `Autoencoder.energy`; where gradients are enabled, PyTorch does, which is as fast."""
    if torch.is_grad_enabled():
        return Autoencoder.energy(autoencoder, z)
    return copied(autoencoder, CompiledAutoencoder).energies(z) / autoencoder.d_z


def potential(autoencoder: Autoencoder, z: Tensor) -> tuple[Tensor, Tensor]:
    """Compute `Autoencoder.potential`."""
    return copied(autoencoder, CompiledAutoencoder).potential(z)


def walk(
    autoencoder: Autoencoder, z: Tensor, *, step_size: float, noise: float, steps: int, generator: torch.Generator
) -> LastStep:
    """Compute `Autoencoder.walk` with all steps of a chain in sequence."""
    own = copied(autoencoder, CompiledAutoencoder)
    return LastStep(*own.walk(z, step_size=step_size, noise=noise, steps=steps, generator=generator))


class CompiledAutoencoder:
    """Squared error ||z - z'(z)||^2 of an autoencoder with its current weights, computed by CPU kernels."""

    def __init__(self, autoencoder: Autoencoder) -> None:
        kernels = library(autoencoder.matmul_dtype)
        assert kernels is not None
        self.kernels = kernels
        self.matmul_dtype = autoencoder.matmul_dtype
        layers = layers_of(autoencoder)
        count = len(layers)
        weights, biases = zip(*((linear.weight, linear.bias) for linear, _ in layers), strict=True)
        slopes = [NO_ACTIVATION if after is None else getattr(after, "weight", RELU) for _, after in layers]
        self.sizes = [weights[0].shape[1], *(len(weight) for weight in weights)]
        unit = kernels.padding()
        widths = [-(-size // unit) * unit for size in self.sizes]
        self.threads = torch.get_num_threads()
        matmul_dtype = torch.empty(2, sum(a * b for a, b in pairwise(widths)), dtype=self.matmul_dtype)
        self.own = {
            "widths": torch.tensor(widths, dtype=torch.int32),
            "sizes": torch.tensor(self.sizes, dtype=torch.int32),
            "forward": matmul_dtype[0],
            "backward": matmul_dtype[1],
            "biases": torch.zeros(sum(widths[1:])),
            "slopes": torch.empty(count),
        }
        of = pointers(self.own)
        self.kernels.prepare(
            count,
            *(ctypes.c_void_p(of[name]) for name in ("sizes", "widths")),
            *map(addresses, (weights, biases, slopes)),
            *(ctypes.c_void_p(of[name]) for name in ("forward", "backward", "biases", "slopes")),
            self.threads,
        )
        self.widest, self.all = max(widths), sum(widths)
        self.memory = torch.empty(self.threads * LANES * 2 * (5 * self.widest + self.all))

    def energies(self, z: Tensor) -> Tensor:
        """Return the squared errors (B,) of z, float32 (B, d_z)."""
        values = torch.empty(len(z))
        self.run(z, values=values)
        return values

    def potential(self, z: Tensor) -> tuple[Tensor, Tensor]:
        """Return the squared errors (B,) of z, float32 (B, d_z), and their gradients (B, d_z)."""
        values, gradient = torch.empty(len(z)), torch.empty(z.shape)
        self.run(z, values=values, gradient=gradient)
        return values, gradient

    def walk(self, z: Tensor, *, step_size: float, noise: float, steps: int, generator: torch.Generator) -> Tensor:
        """Move chains z, float32 (B, d_z), in place by ``steps`` Langevin steps on the squared error (Eq. 10).

        Returns the fields of `langevin.LastStep` of the last step, (4, B).
        """
        seed = int(torch.empty((), dtype=torch.int64).random_(-(2**63), None, generator=generator)) % 2**64
        quantiles = normal_quantiles(z.dtype, z.device)
        assert z.is_contiguous()
        assert z.dtype == torch.float32
        last = torch.empty(4, len(z))
        self.run(z, step_size=step_size, noise=noise, steps=steps, seed=seed, quantiles=quantiles, last=last)
        return last

    def run(self, z: Tensor, **others: Tensor | float) -> None:
        if z.shape[1:] != (self.sizes[0],):
            raise ValueError(f"representations of shape {tuple(z.shape)}; expected (any number, {self.sizes[0]})")
        z = z.to(torch.float32).contiguous()
        job = self.job(z=z, rows=len(z), **others)
        self.kernels.run(ctypes.byref(job), ctypes.c_void_p(self.memory.data_ptr()), self.threads)

    def job(self, **given: Tensor | float) -> _Job:
        return _Job(layers=len(self.sizes) - 1, widest=self.widest, all=self.all, **pointers(self.own | given))


def addresses(tensors: Sequence[Tensor]) -> ctypes.Array[ctypes.c_void_p]:
    """Return pointers to the values of contiguous tensors."""
    assert all(tensor.is_contiguous() for tensor in tensors)
    return (ctypes.c_void_p * len(tensors))(*(tensor.data_ptr() for tensor in tensors))


def pointers(values: Mapping[str, Tensor | float]) -> dict[str, Any]:
    """Return the fields of a C structure, with pointers for tensors."""
    return {name: value.data_ptr() if isinstance(value, Tensor) else value for name, value in values.items()}
