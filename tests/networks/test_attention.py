"""Attention on rectangles against Eq. 4 and 5 written as loops."""

from __future__ import annotations

import math
from itertools import accumulate

import numpy as np
import pytest
import torch
from darkclr_ray.networks.layout import PaddedBuckets
from torch import Tensor


def layout(sizes: list[int], heads: int) -> PaddedBuckets:
    return PaddedBuckets(np.array([0, *accumulate(sizes)]), heads, torch.device("cpu"))


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
    out = layout(sizes, 1).attention(projected, 1).view(len(sizes), length, d)
    for place, size in enumerate(sorted(sizes)):
        q, k, v = projected.view(len(sizes), length, 3, d)[place, :size].unbind(1)
        torch.testing.assert_close(out[place, :size], slow_attention(q, k, v))


def test_heads_are_slices() -> None:
    projected = torch.randn(7, 3 * 8, dtype=torch.float64)
    out = layout([7], 2).attention(projected, 2)
    for head in range(2):
        part = slice(4 * head, 4 * head + 4)
        q, k, v = (block[:, part] for block in projected.chunk(3, dim=1))
        torch.testing.assert_close(out[:, part], slow_attention(q, k, v))


@pytest.mark.parametrize("shift", [0.0, 200.0])
def test_gradient_is_that_of_finite_differences(shift: float, monkeypatch: pytest.MonkeyPatch) -> None:
    """In double precision, with pads and without, for ordinary logits and for such that exp alone would overflow."""
    monkeypatch.setattr("darkclr_ray.networks.layout.JETS_PER_RECTANGLE", 2)
    rectangles = layout([2, 1, 3, 3], 2)
    projected = torch.randn(10, 12, dtype=torch.float64)
    projected[:, 4:8] += shift * projected[:1, :4]
    live = torch.ones(10, 1, dtype=torch.float64)
    live[rectangles.pad_rows] = 0
    projected.requires_grad_()
    assert torch.autograd.gradcheck(lambda p: rectangles.attention(p, 2) * live, (projected,), atol=1e-4)
    (gradient,) = torch.autograd.grad((rectangles.attention(projected, 2) * live).sum(), projected)
    assert rectangles.pad_rows.tolist() == [1]
    assert not gradient[1].any()
