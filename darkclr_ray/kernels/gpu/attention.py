"""Self-attention within packed jets on a GPU (Eq. 4), with one program per jet and head that keeps weights on chip.

Attention for long sequences computes tiles of 128 rows, of which a jet fills a fifth. Rows beyond the last jet are zero
and get no gradient, so that a batch may be padded to a fixed number of rows.
"""

from __future__ import annotations

from typing import Any

import torch
import triton
import triton.language as tl
from torch import Tensor

LOGITS = 4096
"""Largest number of logits at a time."""


@triton.jit
def _forward(qkv, offsets, mixed, logsum, heads, width, scale,
             QUERIES: tl.constexpr, KEYS: tl.constexpr, WIDTH: tl.constexpr):  # fmt: skip
    jet, head = tl.program_id(0), tl.program_id(1)
    first = tl.load(offsets + jet).to(tl.int64)
    size = (tl.load(offsets + jet + 1) - first).to(tl.int32)
    columns, keys = tl.arange(0, WIDTH), tl.arange(0, KEYS)
    own = (columns < width)[None, :]
    d = heads * width
    part = head * width + columns[None, :]
    there = (keys < size)[:, None] & own
    at = qkv + (first + keys[:, None]) * 3 * d + part
    k = tl.load(at + d, mask=there, other=0.0)
    v = tl.load(at + 2 * d, mask=there, other=0.0)
    for begin in range(0, KEYS, QUERIES):
        rows = begin + tl.arange(0, QUERIES)
        asked = (rows < size)[:, None] & own
        q = tl.load(qkv + (first + rows[:, None]) * 3 * d + part, mask=asked, other=0.0)
        logits = tl.dot(q, tl.trans(k), input_precision="ieee") * scale
        logits = tl.where((keys < size)[None, :], logits, -1e30)
        largest = tl.max(logits, 1)
        weights = tl.exp(logits - largest[:, None])
        norm = tl.sum(weights, 1)
        out = tl.dot(weights.to(v.dtype), v, input_precision="ieee") / norm[:, None]
        tl.store(mixed + (first + rows[:, None]) * d + part, out.to(v.dtype), mask=asked)
        tl.store(logsum + (first + rows) * heads + head, largest + tl.log(norm), mask=rows < size)


@triton.jit
def _backward(qkv, offsets, mixed, logsum, gradient, result, heads, width, scale,
              QUERIES: tl.constexpr, KEYS: tl.constexpr, WIDTH: tl.constexpr):  # fmt: skip
    jet, head = tl.program_id(0), tl.program_id(1)
    first = tl.load(offsets + jet).to(tl.int64)
    size = (tl.load(offsets + jet + 1) - first).to(tl.int32)
    columns, keys = tl.arange(0, WIDTH), tl.arange(0, KEYS)
    own = (columns < width)[None, :]
    d = heads * width
    part = head * width + columns[None, :]
    there = (keys < size)[:, None] & own
    place = (first + keys[:, None]) * 3 * d + part
    k = tl.load(qkv + place + d, mask=there, other=0.0)
    v = tl.load(qkv + place + 2 * d, mask=there, other=0.0)
    of_k = tl.zeros((KEYS, WIDTH), tl.float32)
    of_v = tl.zeros((KEYS, WIDTH), tl.float32)
    for begin in range(0, KEYS, QUERIES):
        rows = begin + tl.arange(0, QUERIES)
        asked = (rows < size)[:, None] & own
        at = (first + rows[:, None]) * 3 * d + part
        here = (first + rows[:, None]) * d + part
        q = tl.load(qkv + at, mask=asked, other=0.0)
        g = tl.load(gradient + here, mask=asked, other=0.0)
        out = tl.load(mixed + here, mask=asked, other=0.0)
        norm = tl.load(logsum + (first + rows) * heads + head, mask=rows < size, other=0.0)
        logits = tl.dot(q, tl.trans(k), input_precision="ieee") * scale - norm[:, None]
        weights = tl.where((keys < size)[None, :] & (rows < size)[:, None], tl.exp(logits), 0.0)
        of_v = tl.dot(tl.trans(weights.to(v.dtype)), g, of_v, input_precision="ieee")
        of_weights = tl.dot(g, tl.trans(v), input_precision="ieee")
        common = tl.sum(g.to(tl.float32) * out.to(tl.float32), 1)
        of_logits = (weights * (of_weights - common[:, None]) * scale).to(v.dtype)
        tl.store(result + at, tl.dot(of_logits, k, input_precision="ieee").to(v.dtype), mask=asked)
        of_k = tl.dot(tl.trans(of_logits), q, of_k, input_precision="ieee")
    tl.store(result + place + d, of_k.to(v.dtype), mask=there)
    tl.store(result + place + 2 * d, of_v.to(v.dtype), mask=there)


def packed_attention(projected: Tensor, heads: int, offsets: Tensor, longest: int) -> Tensor:
    """Return the self-attention within each jet of packed rows.

    Args:
        projected: (T, 3 d): queries, keys and values of each row, float32 or bfloat16.
        heads: number of heads; divides d.
        offsets: integers (B + 1,), non-decreasing up to at most T; jet i has rows offsets[i] to offsets[i + 1].
        longest: upper bound of the jets' rows, at most 256, since all keys of a jet are on chip together.

    Returns:
        (T, d); zero for rows that belong to no jet.
    """
    mixed: Tensor = _Attention.apply(projected, heads, offsets, longest)
    return mixed


class _Attention(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, projected: Tensor, heads: int, offsets: Tensor, longest: int) -> Tensor:
        projected = projected.contiguous()
        rows, d = len(projected), projected.shape[1] // 3
        mixed, logsum = projected.new_zeros(rows, d), projected.new_empty(rows, heads, dtype=torch.float32)
        width = d // heads
        _forward[(len(offsets) - 1, heads)](
            projected, offsets, mixed, logsum, heads, width, width**-0.5, **_sizes(width, longest)
        )
        ctx.save_for_backward(projected, offsets, mixed, logsum)
        ctx.heads, ctx.longest = heads, longest
        return mixed

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None, None]:
        projected, offsets, mixed, logsum = ctx.saved_tensors
        result = torch.zeros_like(projected)
        width = mixed.shape[1] // ctx.heads
        _backward[(len(offsets) - 1, ctx.heads)](
            projected, offsets, mixed, logsum, gradient.contiguous(), result, ctx.heads, width, width**-0.5,
            **_sizes(width, ctx.longest),
        )  # fmt: skip
        return result, None, None, None


def _sizes(width: int, longest: int) -> dict[str, int]:
    keys = max(16, triton.next_power_of_2(longest))
    return {"QUERIES": min(LOGITS // keys, keys), "KEYS": keys, "WIDTH": max(16, triton.next_power_of_2(width))}
