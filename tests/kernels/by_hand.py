"""A transformer block as its formulas say, for autograd to differentiate."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from darkclr_ray.networks.encoder import Block


def offsets_of(sizes: Sequence[int]) -> Tensor:
    return torch.tensor([0, *sizes]).cumsum(0)


def attention(projected: Tensor, heads: int, offsets: Tensor) -> Tensor:
    """softmax(q k / sqrt(width)) v, jet by jet; zero in rows beyond the last jet's."""
    width = projected.shape[1] // 3 // heads
    jets = []
    for jet in torch.tensor_split(projected, offsets[1:])[:-1]:
        q, k, v = jet.view(-1, 3, heads, width).permute(1, 2, 0, 3)
        jets.append(((q @ k.mT / width**0.5).softmax(-1) @ v).transpose(0, 1).flatten(1))
    return F.pad(torch.cat(jets), (0, 0, 0, len(projected) - int(offsets[-1])))


def transformer_block(block: Block, x: Tensor, offsets: Tensor, dropped: Callable[[Tensor, int], Tensor]) -> Tensor:
    """x <- norm(x + attention(x)), x <- norm(x + feed_forward(x)); ``dropped(values, use)`` is dropout at its three
    places: after attention, between the layers of the feed-forward network, and after them."""
    mixed = attention(block.attention_in(x), block.heads, offsets)
    x = block.attention_norm(x + dropped(block.attention_out(mixed), 0))
    fed = block.feed_out(dropped(block.feed_in(x).relu(), 1))
    return block.feed_norm(x + dropped(fed, 2))
