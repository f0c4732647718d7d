"""Transformer encoder of Sec. 3.3 and Table 1."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from darkclr_ray.networks.attention import self_attention
from darkclr_ray.networks.padding import length_buckets, pad
from darkclr_ray.networks.precision import products_in
from darkclr_ray.settings import EncoderSettings


class EncoderOutput(NamedTuple):
    """Float32 output of the encoder for B jets.

    ``pooled`` (B, d_r) is the sum over constituents before the head, ``head`` (B, d_z) is the representation z.
    """

    pooled: Tensor
    head: Tensor


class Block(nn.Module):
    """Post-norm transformer block: x <- norm(x + attention(x)), x <- norm(x + feed_forward(x))."""

    def __init__(self, settings: EncoderSettings) -> None:
        super().__init__()
        self.heads = settings.heads
        self.attention_in = nn.Linear(settings.d_r, 3 * settings.d_r)
        self.attention_out = nn.Linear(settings.d_r, settings.d_r)
        self.attention_norm = nn.LayerNorm(settings.d_r)
        self.feed_in = nn.Linear(settings.d_r, settings.d_h)
        self.feed_out = nn.Linear(settings.d_h, settings.d_r)
        self.feed_norm = nn.LayerNorm(settings.d_r)
        nn.init.xavier_uniform_(self.attention_in.weight)
        nn.init.zeros_(self.attention_in.bias)
        nn.init.zeros_(self.attention_out.bias)

    def forward(self, x: Tensor, mask: Tensor, dropout: Callable[[Tensor], Tensor]) -> Tensor:
        """Map x, (B, N, d_r), with a mask (B, N) that is False for padding, to (B, N, d_r)."""
        mixed = self.attention_out(self_attention(self.attention_in(x), mask, self.heads))
        x = self.attention_norm(x + dropout(mixed))
        fed = self.feed_out(dropout(F.relu(self.feed_in(x))))
        result: Tensor = self.feed_norm(x + dropout(fed))
        return result


class Encoder(nn.Module):
    """Permutation-invariant encoder: embedding, post-norm transformer blocks, sum over constituents, head (Sec. 3.3).

    There is no positional encoding, so that the order of the constituents has no effect.

    Blocks are those of ``nn.TransformerEncoderLayer`` (ReLU, post-norm) with its initialisation, drawn for each block
    separately. There is dropout on the attention's output, in the feed-forward network and after it, but none on the
    attention's probabilities. The head has ``head_layers`` linear layers with ReLU between them, leaky if
    ``head_slope`` is positive, and no layer norm.

    Args:
        settings: sizes and dropout rate.
        seed: seed of the initial weights; the same seed gives the same weights on every machine.
        matmul_dtype: dtype of the matrix products in blocks and head, float32 or bfloat16. Weights, embedding, sums of
            residuals, layer norms and the sum over constituents are float32 in either case.

    Attributes:
        implementation: name of the implementation of the forward pass; see `darkclr_ray.kernels`.
    """

    implementation = "PyTorch"

    def __init__(self, settings: EncoderSettings, *, seed: int = 0, matmul_dtype: torch.dtype = torch.float32) -> None:
        super().__init__()
        self.settings = settings
        self.matmul_dtype = matmul_dtype
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.embedding = nn.Linear(3, settings.d_r)
            self.blocks: Sequence[Block] = nn.ModuleList(Block(settings) for _ in range(settings.layers))  # type: ignore[assignment]
            self.head = head_network(settings)

    def forward(
        self,
        constituents: Tensor,
        offsets: Tensor,
        *,
        dropout: torch.Generator | None = None,
        longest: int | None = None,
    ) -> EncoderOutput:
        """Return the representations of B packed jets.

        Args:
            constituents: float32 (M, 3), scaled pT, eta, phi; jet i owns rows offsets[i] to offsets[i + 1].
            offsets: int64 (B + 1,), strictly increasing from 0 to at most M: each jet has at least one constituent.
            dropout: generator of the dropout masks, on the device of the constituents; None means no dropout. Trainings
                seed it by (seed, epoch, step), so that a resumed training draws the same masks.
            longest: upper bound of the jets' lengths, which spares kernels on a GPU a synchronisation.
        """
        offsets = offsets.to(constituents.device)
        buckets = length_buckets(offsets)
        parts = [self.padded(*pad(constituents, offsets, jets=jets), dropout=dropout) for jets in buckets]
        order = torch.cat(buckets).argsort()
        return EncoderOutput(*(torch.cat(outputs)[order] for outputs in zip(*parts, strict=True)))

    def padded(self, constituents: Tensor, mask: Tensor, *, dropout: torch.Generator | None = None) -> EncoderOutput:
        """Return the representations of B zero-padded jets.

        Args:
            constituents: float32 (B, N, 3), scaled pT, eta, phi; finite everywhere.
            mask: bool (B, N), True for a constituent, False for padding; at least one constituent per jet.
            dropout: see `forward`.
        """
        drop = partial(dropped, rate=self.settings.dropout if dropout else 0.0, generator=dropout)
        x = self.embedding(constituents)
        with products_in(self.matmul_dtype, x.device):
            for block in self.blocks:
                x = block(x, mask, drop)
            pooled = torch.where(mask[:, :, None], x, 0.0).sum(1)
            return EncoderOutput(pooled, self.head(pooled).float())


def head_network(settings: EncoderSettings) -> nn.Sequential:
    """Return the head d_r -> d_z -> ... -> d_z: ``head_layers`` linear layers with (leaky) ReLU between them."""
    layers: list[nn.Module] = [nn.Linear(settings.d_r, settings.d_z)]
    for _ in range(settings.head_layers - 1):
        activation = nn.LeakyReLU(settings.head_slope) if settings.head_slope else nn.ReLU()
        layers += [activation, nn.Linear(settings.d_z, settings.d_z)]
    return nn.Sequential(*layers)


def dropped(x: Tensor, *, rate: float, generator: torch.Generator | None) -> Tensor:
    """Return x with each value set to 0 with probability ``rate`` and the others divided by 1 - rate."""
    return x * torch.empty_like(x).bernoulli_(1 - rate, generator=generator) / (1 - rate) if rate else x
