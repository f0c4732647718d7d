"""Sums over the rows of a tall matrix on a GPU, for gradients of biases, limited only by memory bandwidth."""

from __future__ import annotations

import torch
import triton
import triton.language as tl
from torch import Tensor

ROWS, COLUMNS = 128, 64
"""Rows and columns that a program sums; many small sums use a GPU better than few long ones."""
FEW = 16
"""Number of columns of a program that adds the partial sums."""


@triton.jit
def _sums(x, parts, count, width, ROWS: tl.constexpr, COLUMNS: tl.constexpr):
    row = tl.program_id(0) * ROWS + tl.arange(0, ROWS)
    column = tl.program_id(1) * COLUMNS + tl.arange(0, COLUMNS)
    there = (row < count)[:, None] & (column < width)[None, :]
    values = tl.load(x + row.to(tl.int64)[:, None] * width + column[None, :], mask=there, other=0.0)
    tl.store(parts + tl.program_id(0) * width + column, tl.sum(values.to(tl.float32), 0), mask=column < width)


@triton.jit
def _total(parts, result, count, width, ROWS: tl.constexpr, COLUMNS: tl.constexpr):
    column = tl.program_id(0) * COLUMNS + tl.arange(0, COLUMNS)
    sums = tl.zeros((ROWS, COLUMNS), tl.float32)
    for begin in range(0, count, ROWS):
        row = begin + tl.arange(0, ROWS)
        there = (row < count)[:, None] & (column < width)[None, :]
        sums += tl.load(parts + row[:, None] * width + column[None, :], mask=there, other=0.0)
    tl.store(result + column, tl.sum(sums, 0).to(result.dtype.element_ty), mask=column < width)


def column_sums(x: Tensor) -> Tensor:
    """Return the sums over rows, (n, m) -> (m,), in the same dtype, summed in float32 and in a fixed order."""
    count, width = x.shape
    programs = triton.cdiv(count, ROWS)
    parts = torch.empty(programs, width, device=x.device)
    _sums[(programs, triton.cdiv(width, COLUMNS))](x.contiguous(), parts, count, width, ROWS=ROWS, COLUMNS=COLUMNS)
    return added(parts, x.dtype)


def added(parts: Tensor, dtype: torch.dtype) -> Tensor:
    """Return the sum over a few rows: float32 (n, m) -> (m,)."""
    count, width = parts.shape
    result = torch.empty(width, dtype=dtype, device=parts.device)
    _total[(triton.cdiv(width, FEW),)](parts, result, count, width, ROWS=ROWS, COLUMNS=FEW)
    return result
