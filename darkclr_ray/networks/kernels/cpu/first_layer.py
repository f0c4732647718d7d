"""The embedding and the first attention as one linear layer, of the constituents themselves.

Nothing lies between them, so that queries, keys and values of a constituent are linear in four numbers,
u = (pT, eta, phi, 1). In a head, with q = Q u, k = K u and v = V u, and O from what it mixes to the outputs,

    q_i . k_j = u_i . (Q^T K) u_j          and          O sum_j p_ij v_j = (O V) sum_j p_ij u_j:

an attention whose keys and values are u itself, in every head, with a tenth of the operations before and after it. The
parameters stay as they are. Q^T K and O V are made of them in each step, and autograd follows them back.

Where products are of bfloat16, u is a sum of two of them and so are the weights of u, which is float32 but for 2^-16.
What is rounded is what is rounded in other layers, too: the queries, and what was mixed.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from darkclr_ray.networks.block import Block

NUMBERS = 4
INPUTS = 32
"""The numbers rounded, what was missing, the numbers rounded once more, and zeros: as encoder.c has it."""


def narrow_width(d: int, heads: int) -> int:
    """Features of a head of the first attention: u in two parts, and zeros until all heads' are a multiple of 32. Never
    more than d / heads, where these are what the kernels know."""
    return next(width for width in range(2 * NUMBERS, d // heads + 1, 8) if heads * width % 32 == 0)


def first_layer(embedding: nn.Linear, block: Block, matmul_dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    """Weights (d + n, `INPUTS`), from a constituent to its embedding and the n narrow features of its queries; and
    (d, n), from what the attention mixed to its outputs.

    Args:
        embedding: of 3 numbers to d features.
        block: the first.
        matmul_dtype: type that the numbers and weights will be rounded to.
    """
    d, heads = embedding.out_features, block.heads
    width, narrow = d // heads, narrow_width(d, heads)
    embedded = torch.cat([embedding.weight, embedding.bias[:, None]], 1)
    biases = F.pad(block.attention_in.bias[:, None], (NUMBERS - 1, 0))
    q, k, v = (block.attention_in.weight @ embedded + biases).view(3, heads, width, NUMBERS)
    # an attention divides by the root of its own width
    queries = (k.mT @ q * (narrow / width) ** 0.5).repeat(1, 2, 1)
    queries = F.pad(queries, (0, 0, 0, narrow - 2 * NUMBERS)).flatten(0, 1)
    outputs = block.attention_out.weight.view(d, heads, width).transpose(0, 1) @ v
    outputs = F.pad(outputs.repeat(1, 1, 2), (0, narrow - 2 * NUMBERS)).transpose(0, 1).flatten(1)
    return of_two_parts(torch.cat([embedded, queries]), matmul_dtype), outputs


def of_two_parts(weights: Tensor, matmul_dtype: torch.dtype) -> Tensor:
    """(n, 4) -> (n, `INPUTS`): for numbers rounded, for what was missing, and what is missing of the weights."""
    rounded = weights.to(matmul_dtype).float()
    return F.pad(torch.cat([rounded, rounded, weights - rounded], 1), (0, INPUTS - 3 * NUMBERS))
