"""Self-attention within jets (Eq. 4 and 5 of the paper), in the two forms that are fast on short sequences.

Eq. 4 divides by the square root of the query's dimension; with several heads that is the dimension of one head.
"""

from __future__ import annotations

import torch
from torch import Tensor


def rectangular_attention(projected: Tensor, heads: int, valid: Tensor | None) -> Tensor:
    """Attention of n jets of L slots: (n, L, 3 d) queries, keys, values and a bool (n, L), or None -> (n L, d)."""
    jets, length, width = projected.shape
    q, k, v = projected.view(jets, length, 3, heads, width // (3 * heads)).permute(2, 0, 3, 1, 4)
    logits = torch.matmul(q * q.shape[-1] ** -0.5, k.transpose(-1, -2))
    if valid is not None:
        logits = logits.masked_fill(~valid[:, None, None, :], -torch.inf)
    mixed = torch.matmul(logits.softmax(-1), v)
    return mixed.transpose(1, 2).reshape(jets * length, width // 3)


def variable_length_attention(projected: Tensor, heads: int, offsets: Tensor, longest: int) -> Tensor:
    """Attention over packed rows on a GPU in half precision: (M, 3 d) and int32 offsets (B + 1,) -> (M, d)."""
    from torch.nn.attention.varlen import varlen_attn

    rows, width = projected.shape
    q, k, v = projected.view(rows, 3, heads, width // (3 * heads)).unbind(1)
    mixed = varlen_attn(q, k, v, offsets, offsets, longest, longest)
    assert isinstance(mixed, Tensor)
    return mixed.reshape(rows, width // 3)
