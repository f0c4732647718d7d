"""Merge the embedding and the first attention's projections into one linear layer on constituents.

There is no non-linearity between them, so that queries, keys and values of a constituent are linear in four numbers,
u = (pT, eta, phi, 1). In a head, with q = Q u, k = K u and v = V u, and O from its weighted sum to the outputs,

    q_i . k_j = u_i . (Q^T K) u_j          and          O sum_j p_ij v_j = (O V) sum_j p_ij u_j:

which is an attention with keys and values u in every head, and a tenth of the operations before and after it. The
parameters are unchanged: Q^T K and O V are computed from them in each step, differentiably.

For products in bfloat16, u and its weights are each represented by a sum of two bfloat16 numbers, which has float32's
precision up to 2^-16. Queries and weighted sums are rounded as in other layers.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from darkclr_ray.networks.encoder import Block

NUMBERS = 4
INPUTS = 32
"""Number of inputs as in encoder.c: the rounded numbers, their remainders, the rounded numbers again, and zeros."""


def narrow_width(d: int, heads: int) -> int:
    """Return the number of features per head of the first attention: u in two parts, padded with zeros.

    The features of all heads together are a multiple of 32. The number never exceeds d / heads for sizes that the
    kernels support.
    """
    return next(width for width in range(2 * NUMBERS, d // heads + 1, 8) if heads * width % 32 == 0)


def first_layer(embedding: nn.Linear, block: Block, matmul_dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    """Return the weights of the merged layer before and after the first attention.

    They are (d + n, `INPUTS`), from a constituent to its embedding and the n narrow features of its queries, and (d,
    n), from the attention's weighted sum to its outputs.

    Args:
        embedding: linear layer from 3 numbers to d features.
        block: the first block.
        matmul_dtype: dtype that the numbers and weights will be rounded to.
    """
    d, heads = embedding.out_features, block.heads
    width, narrow = d // heads, narrow_width(d, heads)
    embedded = torch.cat([embedding.weight, embedding.bias[:, None]], 1)
    biases = F.pad(block.attention_in.bias[:, None], (NUMBERS - 1, 0))
    q, k, v = (block.attention_in.weight @ embedded + biases).view(3, heads, width, NUMBERS)
    # attention divides by the square root of its own width
    queries = (k.mT @ q * (narrow / width) ** 0.5).repeat(1, 2, 1)
    queries = F.pad(queries, (0, 0, 0, narrow - 2 * NUMBERS)).flatten(0, 1)
    outputs = block.attention_out.weight.view(d, heads, width).transpose(0, 1) @ v
    outputs = F.pad(outputs.repeat(1, 1, 2), (0, narrow - 2 * NUMBERS)).transpose(0, 1).flatten(1)
    return of_two_parts(torch.cat([embedded, queries]), matmul_dtype), outputs


def of_two_parts(weights: Tensor, matmul_dtype: torch.dtype) -> Tensor:
    """Return weights (n, `INPUTS`) for rounded numbers and their remainders, from weights (n, 4)."""
    rounded = weights.to(matmul_dtype).float()
    return F.pad(torch.cat([rounded, rounded, weights - rounded], 1), (0, INPUTS - 3 * NUMBERS))
