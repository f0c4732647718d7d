"""Encoder on zero-padded jets from plain torch operations: the reference of tests, and the form that is exported."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from darkclr_ray.networks.block import Block
from darkclr_ray.networks.encoder import Encoder, EncoderOutput


class PaddedEncoder(nn.Module):
    """Encoder in evaluation mode on (B, N, 3) constituents with a mask, sharing a packed encoder's weights."""

    def __init__(self, encoder: Encoder) -> None:
        super().__init__()
        self.encoder = encoder

    def forward(self, constituents: Tensor, mask: Tensor) -> EncoderOutput:
        """Return the representations of B jets.

        Args:
            constituents: float32 (B, N, 3), scaled pT, eta, phi; finite everywhere.
            mask: bool (B, N), True for a constituent, False for padding; at least one constituent per jet.
        """
        x = self.encoder.embedding(constituents)
        for block in self.encoder.blocks:
            assert isinstance(block, Block)
            x = block.attention_norm(x + attention(x, mask, block))
            x = block.feed_norm(x + block.feed_out(F.relu(block.feed_in(x))))
        pooled = torch.where(mask[:, :, None], x, 0.0).sum(1)
        return EncoderOutput(pooled, self.encoder.head(pooled))


def attention(x: Tensor, mask: Tensor, block: Block) -> Tensor:
    """Return masked multi-head self-attention (Eq. 4): (B, N, d_r) -> (B, N, d_r)."""
    q, k, v = (part.unflatten(-1, (block.heads, -1)).transpose(1, 2) for part in block.attention_in(x).chunk(3, dim=-1))
    logits = q @ k.transpose(-1, -2) / q.shape[-1] ** 0.5
    weights = logits.masked_fill(~mask[:, None, None, :], -torch.inf).softmax(-1)
    mixed: Tensor = block.attention_out((weights @ v).transpose(1, 2).flatten(2))
    return mixed


def pad(constituents: Tensor, offsets: Tensor, length: int | None = None) -> tuple[Tensor, Tensor]:
    """Convert packed jets to zero-padded (B, N, 3) and a mask (B, N); N is ``length`` or the longest jet's length.

    >>> x, mask = pad(torch.ones(3, 3), torch.tensor([0, 2, 3]))
    >>> x[:, :, 0].tolist(), mask.tolist()
    ([[1.0, 1.0], [1.0, 0.0]], [[True, True], [True, False]])
    """
    sizes = offsets.diff()
    slots = torch.arange(int(sizes.max()) if length is None else length, device=offsets.device)
    mask = slots < sizes[:, None]
    padded = constituents.new_zeros(*mask.shape, constituents.shape[-1])
    padded[mask] = constituents
    return padded, mask
