"""Transformer block (Sec. 3.3), with hand-written gradients where they are faster than autograd."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from darkclr_ray.networks.dropout import Masks, masked, masked_
from darkclr_ray.networks.layout import Layout
from darkclr_ray.networks.matmul import affine, multiply, multiply_rows
from darkclr_ray.networks.matmul import linear as product
from darkclr_ray.settings import EncoderSettings

VALUES_AT_A_TIME = 2**20
"""Number of hidden values of the feed-forward network that a CPU computes at a time (a few MB)."""


class Block(nn.Module):
    """Post-norm transformer block: x <- norm(x + attention(x)), x <- norm(x + feed_forward(x))."""

    def __init__(self, settings: EncoderSettings) -> None:
        super().__init__()
        self.heads = settings.heads
        self.attention_in = nn.Linear(settings.d_r, 3 * settings.d_r)
        self.attention_out = nn.Linear(settings.d_r, settings.d_r)
        self.attention_norm = nn.LayerNorm(settings.d_r)
        self.feed_in = nn.Linear(settings.d_r, settings.d_h)
        self.feed_out = nn.Linear(settings.d_h, settings.d_r)
        self.feed_norm = nn.LayerNorm(settings.d_r)
        nn.init.xavier_uniform_(self.attention_in.weight)
        nn.init.zeros_(self.attention_in.bias)
        nn.init.zeros_(self.attention_out.bias)

    def forward(self, rows: Tensor, layout: Layout, dropout: Masks, matmul_dtype: torch.dtype) -> Tensor:
        """Map rows, float32 (T, d_r), to float32 (T, d_r), with matrix products in ``matmul_dtype``."""
        projected = linear(rows.to(matmul_dtype), self.attention_in)
        mixed = linear(layout.attention(projected, self.heads), self.attention_out, dropout.scale)
        rows = add_and_norm(rows, mixed, self.attention_norm, dropout.attention)
        fed = feed_forward(rows.to(matmul_dtype), self.feed_in, self.feed_out, dropout)
        return add_and_norm(rows, fed, self.feed_norm, dropout.fed)


def linear(rows: Tensor, layer: nn.Linear, scale: float = 1.0) -> Tensor:
    """Apply a linear layer in the dtype of its input, and multiply the result by ``scale``."""
    return product(rows, *cast(layer, rows.dtype, scale))


def cast(layer: nn.Linear, matmul_dtype: torch.dtype, scale: float = 1.0) -> tuple[Tensor, Tensor]:
    """Return weight and bias of a layer in the dtype of the products, multiplied by ``scale``."""
    if scale == 1.0:
        return layer.weight.to(matmul_dtype), layer.bias.to(matmul_dtype)
    return (layer.weight * scale).to(matmul_dtype), (layer.bias * scale).to(matmul_dtype)


def add_and_norm(rows: Tensor, branch: Tensor, norm: nn.LayerNorm, mask: Tensor | None) -> Tensor:
    """Return norm(rows + mask * branch), float32 (T, d_r); the branch already has the scale of its dropout."""
    result: Tensor = _AddAndNorm.apply(rows, branch, norm.weight, norm.bias, norm.eps, mask)  # type: ignore[no-untyped-call]
    return result


def feed_forward(rows: Tensor, first: nn.Linear, second: nn.Linear, dropout: Masks) -> Tensor:
    """Apply linear, ReLU, dropout, linear: (T, d_r) -> (T, d_r); the result has the scale of the next dropout."""
    weight, bias = second.weight * dropout.scale**2, second.bias * dropout.scale
    result: Tensor = _FeedForward.apply(  # type: ignore[no-untyped-call]
        rows, *cast(first, rows.dtype), weight.to(rows.dtype), bias.to(rows.dtype), dropout.hidden
    )
    return result


class _AddAndNorm(torch.autograd.Function):
    """Autograd function that saves one float32 sum and overwrites the branch."""

    @staticmethod
    def forward(
        ctx: Any, rows: Tensor, branch: Tensor, weight: Tensor, bias: Tensor, eps: float, mask: Tensor | None
    ) -> Tensor:
        total = masked(branch, mask).float()
        total = total + rows if total is branch else total.add_(rows)
        result, mean, deviation = torch.native_layer_norm(total, weight.shape, weight, bias, eps)
        ctx.save_for_backward(total, mean, deviation, weight, bias)
        ctx.mask, ctx.branch_type = mask, branch.dtype
        return result

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        total, mean, deviation, weight, bias = ctx.saved_tensors
        of_total, of_weight, of_bias = torch.ops.aten.native_layer_norm_backward(
            gradient, total, weight.shape, mean, deviation, weight, bias, [True, True, True]
        )
        return of_total, masked(of_total.to(ctx.branch_type), ctx.mask), of_weight, of_bias, None, None


class _FeedForward(torch.autograd.Function):
    """Autograd function that saves the hidden values once, after ReLU and dropout.

    They are positive exactly where both ReLU and dropout pass the gradient. On a CPU a few thousand rows are computed
    at a time, so that hidden values are still in the cache when they are used again.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, w1: Tensor, b1: Tensor, w2: Tensor, b2: Tensor, mask: Tensor | None) -> Tensor:
        size = len(x) if x.is_cuda else max(1, VALUES_AT_A_TIME // len(w1))
        result = torch.empty_like(x)
        hidden = []
        for place, rows in enumerate(torch.split(x, size)):
            start = place * size
            h = affine(rows, w1, b1).relu_()
            hidden.append(masked_(h, None if mask is None else mask[start : start + size]))
            result[start : start + size] = affine(h, w2, b2)
        ctx.save_for_backward(x, w1, w2, *hidden)
        return result

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        x, w1, w2, *hidden = ctx.saved_tensors
        size = len(hidden[0])
        result = torch.empty_like(x)
        of_w1, of_b1, of_w2 = (torch.zeros_like(w, dtype=torch.float32) for w in (w1, w1[:, 0], w2))
        parts = zip(hidden, torch.split(x, size), torch.split(gradient, size), strict=True)
        for place, (h, rows, g) in enumerate(parts):
            of_h = multiply(g, w2)
            torch.ops.aten.threshold_backward(of_h, h, 0, grad_input=of_h)
            result[place * size : (place + 1) * size] = multiply(of_h, w1)
            of_w1 += multiply_rows(of_h, rows)
            of_b1 += of_h.sum(0)
            of_w2 += multiply_rows(g, h)
        return result, of_w1, of_b1, of_w2, gradient.sum(0), None
