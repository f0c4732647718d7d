"""Self-attention against Eq. 4 and 5 written as loops."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from darkclr_ray.networks.attention import self_attention


def slow_attention(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """Eq. 4 and 5 for one head of one jet: (N, d) each -> (N, d)."""
    out = torch.zeros_like(v)
    for i in range(len(q)):
        weights = [math.exp(float(q[i] @ k[j]) / math.sqrt(q.shape[1])) for j in range(len(k))]
        for j, weight in enumerate(weights):
            out[i] += weight / sum(weights) * v[j]
    return out


@pytest.mark.parametrize("heads", [1, 2])
@pytest.mark.parametrize("sizes", [[1], [4, 4], [2, 5, 3]])
def test_each_head_of_each_jet_is_the_loop(sizes: list[int], heads: int) -> None:
    length, width = max(sizes), 6
    projected = torch.randn(len(sizes), length, 3 * heads * width, dtype=torch.float64)
    mask = torch.arange(length) < torch.tensor(sizes)[:, None]
    out = self_attention(projected, mask, heads)
    for jet, size in enumerate(sizes):
        for head in range(heads):
            part = slice(head * width, (head + 1) * width)
            q, k, v = (block[:size, part] for block in projected[jet].chunk(3, dim=1))
            torch.testing.assert_close(out[jet, :size, part], slow_attention(q, k, v))


def test_large_logits_stay_finite() -> None:
    projected = 100 * torch.randn(2, 5, 24)
    assert self_attention(projected, torch.ones(2, 5, dtype=torch.bool), 2).isfinite().all()
