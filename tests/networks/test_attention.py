"""Attention on rectangles against Eq. 4 and 5 written as loops."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from darkclr_ray.networks.attention import Rectangle, rectangular_attention


def slow_attention(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """Eq. 4 and 5 for one head of one jet: (N, d) each -> (N, d)."""
    out = torch.zeros_like(v)
    for i in range(len(q)):
        weights = [math.exp(float(q[i] @ k[j]) / math.sqrt(q.shape[1])) for j in range(len(k))]
        for j, weight in enumerate(weights):
            out[i] += weight / sum(weights) * v[j]
    return out


@pytest.mark.parametrize("sizes", [[1], [4, 4], [2, 5, 3]])
def test_single_head_is_the_loop(sizes: list[int]) -> None:
    length, d = max(sizes), 6
    projected = torch.randn(len(sizes) * length, 3 * d, dtype=torch.float64)
    valid = torch.arange(length) < torch.tensor(sizes)[:, None]
    rectangle = Rectangle(0, len(sizes), length, None if valid.all() else valid)
    out = rectangular_attention(projected, 1, [rectangle]).view(len(sizes), length, d)
    for jet, size in enumerate(sizes):
        q, k, v = projected.view(len(sizes), length, 3, d)[jet, :size].unbind(1)
        torch.testing.assert_close(out[jet, :size], slow_attention(q, k, v))


def test_heads_are_slices() -> None:
    projected = torch.randn(7, 3 * 8, dtype=torch.float64)
    out = rectangular_attention(projected, 2, [Rectangle(0, 1, 7, None)])
    for head in range(2):
        part = slice(4 * head, 4 * head + 4)
        q, k, v = (block[:, part] for block in projected.chunk(3, dim=1))
        torch.testing.assert_close(out[:, part], slow_attention(q, k, v))


@pytest.mark.parametrize("shift", [0.0, 200.0])
def test_gradient_is_that_of_finite_differences(shift: float) -> None:
    """In double precision, with pads and without, for ordinary logits and for such that exp alone would overflow."""
    valid = torch.tensor([[True, True, False], [True, True, True]])
    rectangles = [Rectangle(0, 2, 3, valid), Rectangle(6, 2, 2, None)]
    projected = torch.randn(10, 12, dtype=torch.float64)
    projected[:, 4:8] += shift * projected[:1, :4]
    live = torch.ones(10, 1, dtype=torch.float64)
    live[2] = 0
    projected.requires_grad_()
    assert torch.autograd.gradcheck(lambda p: rectangular_attention(p, 2, rectangles) * live, (projected,), atol=1e-4)
    (gradient,) = torch.autograd.grad((rectangular_attention(projected, 2, rectangles) * live).sum(), projected)
    assert not gradient[2].any()
