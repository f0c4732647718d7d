"""Transformer block on a GPU: matrix products, attention, and fused kernels for all operations between them.

The arithmetic is that of `darkclr_ray.networks.encoder.Block`: float32 for sums of residuals and layer norms, the dtype
of the weights for products. The values that remain after a dropout are scaled where the mask is applied.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
import triton
import triton.language as tl
from torch import Tensor, nn

from darkclr_ray.kernels.dropout import Masks
from darkclr_ray.kernels.gpu.attention import packed_attention
from darkclr_ray.kernels.gpu.column_sums import added
from darkclr_ray.kernels.gpu.matmul import cast_together, linear
from darkclr_ray.networks.encoder import Block

VALUES = 2048
"""Approximate number of values per program."""
SUMMED = 4096
"""Approximate number of values per program in kernels that also return partial sums over their rows."""


def apply_blocks(
    blocks: Sequence[Block],
    rows: Tensor,
    offsets: Tensor,
    longest: int,
    masks: Sequence[Masks],
    matmul_dtype: torch.dtype,
) -> Tensor:
    """Apply all blocks in sequence to packed jets: float32 (T, d_r) -> float32 (T, d_r)."""
    layers = [layer for b in blocks for layer in (b.attention_in, b.attention_out, b.feed_in, b.feed_out)]
    weights = iter(cast_together([p for layer in layers for p in (layer.weight, layer.bias)], matmul_dtype))
    low = rows.to(matmul_dtype)
    for block, dropout in zip(blocks, masks, strict=True):
        projected = linear(low, next(weights), next(weights))
        mixed = linear(packed_attention(projected, block.heads, offsets, longest), next(weights), next(weights))
        rows, low = add_and_norm(rows, mixed, block.attention_norm, dropout.attention, dropout.scale)
        hidden = relu(linear(low, next(weights), next(weights)), dropout.hidden, dropout.scale)
        fed = linear(hidden, next(weights), next(weights))
        rows, low = add_and_norm(rows, fed, block.feed_norm, dropout.fed, dropout.scale)
    return rows


def add_and_norm(
    rows: Tensor, branch: Tensor, norm: nn.LayerNorm, mask: Tensor | None, scale: float
) -> tuple[Tensor, Tensor]:
    """Return norm(rows + scale mask branch), (T, d), in float32 and in the branch's dtype, for (T, d) inputs.

    ``mask`` is 0 where the branch is dropped; None drops nothing.
    """
    result: tuple[Tensor, Tensor] = _AddAndNorm.apply(rows, branch, norm.weight, norm.bias, norm.eps, mask, scale)
    return result


def relu(x: Tensor, mask: Tensor | None, scale: float) -> Tensor:
    """Return scale mask max(x, 0), for x of any shape."""
    result: Tensor = _ReLU.apply(x, mask, scale)
    return result


@triton.jit
def _norm_forward(rows, branch, mask, weight, bias, total, result, low, mean, deviation, count, d, eps, scale,
                  MASKED: tl.constexpr, ROWS: tl.constexpr, WIDTH: tl.constexpr):  # fmt: skip
    row, column = tl.program_id(0) * ROWS + tl.arange(0, ROWS), tl.arange(0, WIDTH)
    own = column < d
    there = (row < count)[:, None] & own[None, :]
    at = row[:, None] * d + column[None, :]
    x = tl.load(branch + at, mask=there, other=0.0).to(tl.float32) * scale
    if MASKED:
        x = tl.where(tl.load(mask + at, mask=there, other=0) != 0, x, 0.0)
    x += tl.load(rows + at, mask=there, other=0.0)
    tl.store(total + at, x, mask=there)
    centre = tl.sum(x, 1) / d
    x = tl.where(there, x - centre[:, None], 0.0)
    inverse = 1.0 / tl.sqrt(tl.sum(x * x, 1) / d + eps)
    w, b = tl.load(weight + column, mask=own, other=0.0), tl.load(bias + column, mask=own, other=0.0)
    y = x * inverse[:, None] * w[None, :] + b[None, :]
    tl.store(result + at, y, mask=there)
    tl.store(low + at, y.to(low.dtype.element_ty), mask=there)
    tl.store(mean + row, centre, mask=row < count)
    tl.store(deviation + row, inverse, mask=row < count)


@triton.jit
def _norm_backward(of_result, of_low, total, mean, deviation, weight, mask, of_rows, of_branch, parts, count, d, scale,
                   MASKED: tl.constexpr, ROWS: tl.constexpr, WIDTH: tl.constexpr):  # fmt: skip
    row, column = tl.program_id(0) * ROWS + tl.arange(0, ROWS), tl.arange(0, WIDTH)
    own = column < d
    there = (row < count)[:, None] & own[None, :]
    at = row[:, None] * d + column[None, :]
    g = tl.load(of_result + at, mask=there, other=0.0) + tl.load(of_low + at, mask=there, other=0.0).to(tl.float32)
    inverse = tl.load(deviation + row, mask=row < count, other=0.0)
    x = tl.load(total + at, mask=there, other=0.0) - tl.load(mean + row, mask=row < count, other=0.0)[:, None]
    x = tl.where(there, x * inverse[:, None], 0.0)
    part = parts + tl.program_id(0) * 2 * d + column
    tl.store(part, tl.sum(g * x, 0), mask=own)
    tl.store(part + d, tl.sum(g, 0), mask=own)
    g *= tl.load(weight + column, mask=own, other=0.0)[None, :]
    g = (g - (tl.sum(g, 1) / d)[:, None] - x * (tl.sum(g * x, 1) / d)[:, None]) * inverse[:, None]
    tl.store(of_rows + at, g, mask=there)
    g *= scale
    if MASKED:
        g = tl.where(tl.load(mask + at, mask=there, other=0) != 0, g, 0.0)
    tl.store(of_branch + at, g.to(of_branch.dtype.element_ty), mask=there)


@triton.jit
def _relu_forward(x, mask, result, count, scale, MASKED: tl.constexpr, VALUES: tl.constexpr):
    at = tl.program_id(0).to(tl.int64) * VALUES + tl.arange(0, VALUES)
    there = at < count
    y = tl.load(x + at, mask=there, other=0.0)
    y = tl.where(y > 0, y.to(tl.float32) * scale, 0.0)
    if MASKED:
        y = tl.where(tl.load(mask + at, mask=there, other=0) != 0, y, 0.0)
    tl.store(result + at, y.to(result.dtype.element_ty), mask=there)


@triton.jit
def _relu_backward(gradient, result, of_x, count, scale, VALUES: tl.constexpr):
    at = tl.program_id(0).to(tl.int64) * VALUES + tl.arange(0, VALUES)
    there = at < count
    g = tl.load(gradient + at, mask=there, other=0.0).to(tl.float32) * scale
    g = tl.where(tl.load(result + at, mask=there, other=0.0) > 0, g, 0.0)
    tl.store(of_x + at, g.to(of_x.dtype.element_ty), mask=there)


class _AddAndNorm(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        rows: Tensor,
        branch: Tensor,
        weight: Tensor,
        bias: Tensor,
        eps: float,
        mask: Tensor | None,
        scale: float,
    ) -> tuple[Tensor, Tensor]:
        rows, branch = rows.contiguous(), branch.contiguous()
        count, d = rows.shape
        total, result, low = torch.empty_like(rows), torch.empty_like(rows), torch.empty_like(branch)
        mean, deviation = rows.new_empty(count), rows.new_empty(count)
        sizes = _tile(d, VALUES)
        _norm_forward[(triton.cdiv(count, sizes["ROWS"]),)](
            rows, branch, branch if mask is None else mask, weight, bias, total, result, low, mean, deviation, count, d,
            eps, scale, MASKED=mask is not None, **sizes,
        )  # fmt: skip
        ctx.save_for_backward(total, mean, deviation, weight, mask)
        ctx.scale, ctx.branch_type = scale, branch.dtype
        return result, low

    @staticmethod
    def backward(ctx: Any, of_result: Tensor, of_low: Tensor) -> tuple[Tensor | None, ...]:
        total, mean, deviation, weight, mask = ctx.saved_tensors
        count, d = total.shape
        of_rows, of_branch = torch.empty_like(total), torch.empty_like(total, dtype=ctx.branch_type)
        sizes = _tile(d, SUMMED)
        programs = triton.cdiv(count, sizes["ROWS"])
        parts = total.new_empty(programs, 2, d)
        _norm_backward[(programs,)](
            of_result.contiguous(), of_low.contiguous(), total, mean, deviation, weight,
            total if mask is None else mask, of_rows, of_branch, parts, count, d, ctx.scale,
            MASKED=mask is not None, **sizes,
        )  # fmt: skip
        of_weight, of_bias = added(parts.flatten(1), torch.float32).view(2, d)
        return of_rows, of_branch, of_weight, of_bias, None, None, None


class _ReLU(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, mask: Tensor | None, scale: float) -> Tensor:
        x = x.contiguous()
        result = torch.empty_like(x)
        _relu_forward[(triton.cdiv(x.numel(), VALUES),)](
            x, x if mask is None else mask, result, x.numel(), scale, MASKED=mask is not None, VALUES=VALUES
        )
        ctx.save_for_backward(result)
        ctx.scale = scale
        return result

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:
        (result,) = ctx.saved_tensors
        of_x = torch.empty_like(result)
        count = result.numel()
        _relu_backward[(triton.cdiv(count, VALUES),)](
            gradient.contiguous(), result, of_x, count, ctx.scale, VALUES=VALUES
        )
        return of_x, None, None


def _tile(d: int, values: int) -> dict[str, int]:
    width = triton.next_power_of_2(d)
    return {"ROWS": max(1, values // width), "WIDTH": width}
