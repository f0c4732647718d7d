"""Langevin chains of an autoencoder on a GPU: one program runs all steps of a few chains.

A step of a chain is about twenty small matrix products in sequence; launching them as separate kernels takes ten times
as long as computing them. Chains are independent, so that a program needs only its own rows and the weights.
"""

from __future__ import annotations

from itertools import pairwise

import torch
import triton
import triton.language as tl
from torch import Tensor

from darkclr_ray.kernels.layers import layers_of
from darkclr_ray.networks.autoencoder import Autoencoder

ROWS = 16
"""Number of chains per program: the smallest that matrix units support, so that all multiprocessors are used."""
COLUMNS = 128
"""Number of dimensions of z at a time."""
WARPS, STAGES = 8, 3
"""Number of warps per program, and of pipeline stages that load weights ahead of their products."""


@triton.jit
def _activated(x, slope, KIND: tl.constexpr):
    """Return the activation after a layer; ``slope`` applies to negative values and is 1 without an activation."""
    if KIND == "silu":
        return tl.where(slope == 1, x, x * tl.sigmoid(x))
    if KIND == "gelu":
        return tl.where(slope == 1, x, 0.5 * x * (1 + tl.erf(x * 0.7071067811865476)))
    return tl.where(x > 0, x, slope * x)


@triton.jit
def _derivative(x, slope, KIND: tl.constexpr):
    """Return the derivative of `_activated`."""
    if KIND == "silu":
        s = tl.sigmoid(x)
        return tl.where(slope == 1, 1.0, s * (1 + x * (1 - s)))
    if KIND == "gelu":
        normal = 0.5 * (1 + tl.erf(x * 0.7071067811865476))
        return tl.where(slope == 1, 1.0, normal + x * 0.3989422804014327 * tl.exp(-0.5 * x * x))
    return tl.where(x > 0, 1.0, slope)


@triton.jit
def _walk(
    z, residual, hidden, seed, w_in, w_hidden, b_hidden, slopes, w_out, b_out, chains, step_size, noise,
    D_Z: tl.constexpr, LAYERS: tl.constexpr, STEPS: tl.constexpr, ROWS: tl.constexpr, COLUMNS: tl.constexpr,
    WIDTH: tl.constexpr, KIND: tl.constexpr,
):  # fmt: skip
    own = tl.program_id(0) * ROWS + tl.arange(0, ROWS)
    units, columns = tl.arange(0, WIDTH), tl.arange(0, COLUMNS)
    inner = units[:, None] * WIDTH + units[None, :]
    kept = hidden + own[:, None] * WIDTH + units[None, :]
    layer_size = tl.num_programs(0) * ROWS * WIDTH
    matmul_dtype = w_in.dtype.element_ty
    key = tl.load(seed)
    for step in range(STEPS):
        x = tl.zeros((ROWS, WIDTH), tl.float32) + tl.load(b_hidden + units)[None, :]
        for begin in range(0, D_Z, COLUMNS):
            there = (own < chains)[:, None] & (begin + columns < D_Z)[None, :]
            part = tl.load(z + own[:, None] * D_Z + begin + columns[None, :], mask=there, other=0.0)
            w = tl.load(w_in + (begin + columns)[:, None] * WIDTH + units[None, :])
            x = tl.dot(part.to(matmul_dtype), w, x, input_precision="ieee")
        for layer in range(LAYERS):
            tl.store(kept + layer * layer_size, x)
            h = _activated(x, tl.load(slopes + layer), KIND)
            w = tl.load(w_hidden + layer * WIDTH * WIDTH + inner)
            bias = tl.load(b_hidden + (layer + 1) * WIDTH + units)
            x = tl.dot(h.to(matmul_dtype), w, input_precision="ieee") + bias[None, :]
        slope = tl.load(slopes + LAYERS)
        h = _activated(x, slope, KIND).to(matmul_dtype)
        g = tl.zeros((ROWS, WIDTH), tl.float32)
        for begin in range(0, D_Z, COLUMNS):
            there = (own < chains)[:, None] & (begin + columns < D_Z)[None, :]
            at = own[:, None] * D_Z + begin + columns[None, :]
            part = tl.load(z + at, mask=there, other=0.0)
            w = tl.load(w_out + (begin + columns)[:, None] * WIDTH + units[None, :])
            out = tl.dot(h, tl.trans(w), input_precision="ieee") + tl.load(b_out + begin + columns)[None, :]
            rest = tl.where(there, part - out, 0.0)
            tl.store(residual + at, rest, mask=there)
            g = tl.dot(rest.to(matmul_dtype), w, g, input_precision="ieee")
        g *= _derivative(x, slope, KIND)
        tl.debug_barrier()  # threads of this program read what other threads of it wrote
        for back in range(LAYERS):
            layer = LAYERS - 1 - back
            w = tl.load(w_hidden + layer * WIDTH * WIDTH + inner)
            g = tl.dot(g.to(matmul_dtype), tl.trans(w), input_precision="ieee")
            g *= _derivative(tl.load(kept + layer * layer_size), tl.load(slopes + layer), KIND)
        h = g.to(matmul_dtype)
        for begin in range(0, D_Z, COLUMNS):
            there = (own < chains)[:, None] & (begin + columns < D_Z)[None, :]
            at = own[:, None] * D_Z + begin + columns[None, :]
            w = tl.load(w_in + (begin + columns)[:, None] * WIDTH + units[None, :])
            through = tl.dot(h, tl.trans(w), input_precision="ieee")
            gradient = 2 * (tl.load(residual + at, mask=there, other=0.0) - through)
            moved = tl.load(z + at, mask=there, other=0.0) - step_size * gradient
            tl.store(z + at, moved + noise * tl.randn(key + step, at), mask=there)
        tl.debug_barrier()


@torch.no_grad()
def walk(
    autoencoder: Autoencoder, z: Tensor, *, step_size: float, noise: float, steps: int, generator: torch.Generator
) -> None:
    """Move chains z, float32 (B, d_z), in place by ``steps`` Langevin steps on ||z - z'(z)||^2 (Eq. 10)."""
    chains, d_z = z.shape
    layers = layers_of(autoencoder)
    *hidden, (last, _) = layers
    count = len(hidden)
    width = max(16, *(triton.next_power_of_2(linear.out_features) for linear, _ in hidden))
    columns = -(-d_z // COLUMNS) * COLUMNS
    programs = -(-chains // ROWS)

    def zeros(*shape: int, dtype: torch.dtype = torch.float32) -> Tensor:
        return torch.zeros(shape, dtype=dtype, device=z.device)

    # All layers have one width and are zero-padded: outputs of padding units are multiplied by 0.
    w_in, w_out = (zeros(columns, width, dtype=autoencoder.matmul_dtype) for _ in range(2))
    w_hidden = zeros(max(count - 1, 1), width, width, dtype=autoencoder.matmul_dtype)
    b_hidden, b_out, slopes = zeros(count, width), zeros(columns), zeros(count)
    w_in[:d_z, : hidden[0][0].out_features] = hidden[0][0].weight.t()
    w_out[:d_z, : last.in_features] = last.weight
    b_out[:d_z] = last.bias
    for place, (linear, after) in enumerate(hidden):
        b_hidden[place, : linear.out_features] = linear.bias
        slopes[place : place + 1] = 1.0 if after is None else next(after.parameters(), b_out[:1] * 0)
    for place, (_, (linear, _)) in enumerate(pairwise(hidden)):
        w_hidden[place, : linear.in_features, : linear.out_features] = linear.weight.t()
    seed = torch.empty(1, dtype=torch.int64, device=z.device).random_(generator=generator)
    _walk[(programs,)](
        z, torch.empty_like(z), zeros(count, programs * ROWS, width), seed, w_in, w_hidden, b_hidden, slopes, w_out,
        b_out, chains, step_size, noise, D_Z=d_z, LAYERS=count - 1, STEPS=steps, ROWS=ROWS, COLUMNS=COLUMNS,
        WIDTH=width, KIND=autoencoder.activation, num_warps=WARPS, num_stages=STAGES,
    )  # fmt: skip
