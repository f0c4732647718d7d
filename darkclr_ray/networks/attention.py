"""Self-attention within jets (Eq. 4 and 5) on padded rectangles, by batched matrix products of torch.

Eq. 4 divides logits by the square root of the query's dimension; with several heads that is the dimension of one head.

For short rows torch's own attention spends most of its time outside of matrix products. On rectangles every operation
is therefore a batched matrix product or an operation on contiguous memory: the softmax is exp(logits) times [values,
1], whose last column is the normalisation, and the row of [values, 1] is zero for padding.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

SAFE_LOGIT = 60.0
"""Largest absolute logit that is exponentiated without a shift; sums of exp(60) are far from float32's limits."""


class Rectangle(NamedTuple):
    """``jets`` jets padded to ``length`` rows each, starting at row ``first``.

    ``pads`` are the positions of padding among all slots, counted as (jets, heads, length); None without padding.
    """

    first: int
    jets: int
    length: int
    pads: Tensor | None


def rectangular_attention(projected: Tensor, heads: int, rectangles: Sequence[Rectangle], pad_rows: Tensor) -> Tensor:
    """Return the self-attention within each jet of the rectangles.

    Args:
        projected: (T, 3 d): queries, keys and values of each row.
        heads: number of heads; divides d.
        rectangles: rectangles that cover all T rows. Padding must be finite and gets no gradient.
        pad_rows: indices of the rows that are padding.

    Returns:
        (T, d).
    """
    mixed: Tensor = _RectangularAttention.apply(projected, heads, rectangles, pad_rows)  # type: ignore[no-untyped-call]
    return mixed


class _RectangularAttention(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, projected: Tensor, heads: int, rectangles: Sequence[Rectangle], pad_rows: Tensor) -> Tensor:
        rows, width = projected.shape
        out, norm = projected.new_empty(rows, width // 3), projected.new_empty(rows, heads)
        saved = []
        for r in rectangles:
            q, k, v = by_head(projected, r, 3 * heads).chunk(3, dim=1)
            q = torch.mul(q, q.shape[-1] ** -0.5, out=q.new_empty(q.shape)).flatten(0, 1)
            k, values = k.flatten(0, 1), ones_column(v, r.pads)
            weights = exponentials(torch.bmm(q, k.transpose(1, 2)))
            mixed = torch.bmm(weights, values).view(r.jets, heads, r.length, -1)
            by_head(out, r, heads).copy_(mixed[..., :-1])
            by_head(norm, r, heads).copy_(mixed[..., -1:])
            saved += [q, k, values, weights]
        spread = head_indicator(out, heads)
        norm = norm.reciprocal_()
        out *= norm @ spread
        ctx.save_for_backward(out, norm, spread, pad_rows, *saved)
        ctx.heads, ctx.rectangles = heads, rectangles
        return out

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None, None]:
        out, norm, spread, pad_rows, *saved = ctx.saved_tensors
        heads = ctx.heads
        rows, width = gradient.shape
        result = gradient.new_empty(rows, 3 * width)
        # Gradients of the unnormalised weighted sum and of its normalisation
        of_norm = ((gradient * out) @ spread.t()).mul_(norm).neg_()
        of_out = gradient * (norm @ spread)
        for place, r in enumerate(ctx.rectangles):
            q, k, values, weights = saved[4 * place : 4 * place + 4]
            of_mixed = gradient.new_empty(r.jets, heads, r.length, values.shape[-1])
            of_mixed[..., :-1] = by_head(of_out, r, heads)
            of_mixed[..., -1:] = by_head(of_norm, r, heads)
            of_mixed = of_mixed.flatten(0, 1)
            of_logits = torch.bmm(of_mixed, values.transpose(1, 2)).mul_(weights)
            of_values = torch.bmm(weights.transpose(1, 2), of_mixed)[..., :-1]
            of_q, of_k, of_v = by_head(result, r, 3 * heads).chunk(3, dim=1)
            torch.mul(torch.bmm(of_logits, k).view(of_q.shape), q.shape[-1] ** -0.5, out=of_q)
            of_k.copy_(torch.bmm(of_logits.transpose(1, 2), q).view(of_k.shape))
            of_v.copy_(of_values.view(of_v.shape))
        result[:, 2 * width :].index_fill_(0, pad_rows, 0)
        return result, None, None, None


def by_head(rows: Tensor, r: Rectangle, heads: int) -> Tensor:
    """Return the rows of a rectangle in (T, heads d) as a view (n, heads, L, d)."""
    own = rows[r.first : r.first + r.jets * r.length]
    return own.view(r.jets, r.length, heads, -1).transpose(1, 2)


def ones_column(values: Tensor, pads: Tensor | None) -> Tensor:
    """Append a column of ones to values, with zero rows for padding: (n, heads, L, d) -> (n heads, L, d + 1)."""
    jets, heads, length, width = values.shape
    result = values.new_empty(jets * heads * length, width + 1)
    result.view(jets, heads, length, -1)[..., :-1] = values
    result[:, -1] = 1
    if pads is not None:
        result.index_fill_(0, pads, 0)
    return result.view(jets * heads, length, -1)


def head_indicator(values: Tensor, heads: int) -> Tensor:
    """Return a matrix (heads, d) that is 1 where a column belongs to the head and 0 elsewhere.

    A product with it copies a number per head to its columns, or sums over them; this is faster than broadcasting over
    so few columns.
    """
    return torch.eye(heads, dtype=values.dtype, device=values.device).repeat_interleave(values.shape[1] // heads, 1)


def exponentials(logits: Tensor) -> Tensor:
    """Exponentiate logits in place; where they exceed `SAFE_LOGIT`, shift rows to a largest logit of 0 first."""
    if logits.is_cuda or max(map(abs, map(float, logits.aminmax()))) > SAFE_LOGIT:
        logits -= logits.amax(-1, keepdim=True)
    return logits.exp_()
