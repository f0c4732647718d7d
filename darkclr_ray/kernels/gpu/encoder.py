"""Encoder on a GPU, on packed jets."""

from __future__ import annotations

import torch
from torch import Tensor

from darkclr_ray.kernels.available import LONGEST_PACKED
from darkclr_ray.kernels.dropout import Dropout
from darkclr_ray.kernels.gpu.block import apply_blocks
from darkclr_ray.kernels.gpu.matmul import linear
from darkclr_ray.kernels.layers import head
from darkclr_ray.networks.encoder import Encoder, EncoderOutput


def encode(
    encoder: Encoder,
    constituents: Tensor,
    offsets: Tensor,
    *,
    dropout: torch.Generator | None = None,
    longest: int | None = None,
) -> EncoderOutput:
    """Compute `Encoder.forward`; jets longer than `LONGEST_PACKED` are left to that.

    With ``longest`` the GPU is not synchronised. Rows after those of the last jet belong to no jet.
    """
    longest = int(offsets.diff().max()) if longest is None else longest
    if longest > LONGEST_PACKED:
        return Encoder.forward(encoder, constituents, offsets, dropout=dropout)
    settings, offsets = encoder.settings, offsets.to(constituents.device)
    width = max(settings.d_r, settings.d_h)
    masks = Dropout(
        settings.dropout,
        dropout,
        values=len(constituents) * width,
        stride=longest * width,
        uses=3 * len(encoder.blocks),
    )
    rows = apply_blocks(
        list(encoder.blocks),
        encoder.embedding(constituents),
        offsets,
        longest,
        [masks.of_block(len(constituents), settings) for _ in encoder.blocks],
        encoder.matmul_dtype,
    )
    pooled = torch.segment_reduce(rows, "sum", lengths=offsets.diff(), unsafe=True)
    return EncoderOutput(pooled, head(encoder, pooled, linear))
