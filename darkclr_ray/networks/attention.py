"""Self-attention within jets (Eq. 4 and 5)."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor


def self_attention(projected: Tensor, mask: Tensor, heads: int) -> Tensor:
    """Return softmax(q k^T / sqrt(width)) v within each jet, where width is the dimension of one head.

    Args:
        projected: (B, N, 3 d), queries, keys and values of N constituents of B jets.
        mask: bool (B, N), False for padding, to which no constituent attends; at least one constituent per jet.
        heads: number of heads; divides d.

    Returns:
        (B, N, d).
    """
    jets, length, _ = projected.shape
    q, k, v = projected.view(jets, length, 3, heads, -1).permute(2, 0, 3, 1, 4)
    return F.scaled_dot_product_attention(q, k, v, attn_mask=mask[:, None, None, :]).transpose(1, 2).flatten(2)
