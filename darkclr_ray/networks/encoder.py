"""Transformer encoder of Sec. 3.3 and Table 1, on packed jets."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from ctypes import CDLL
from typing import NamedTuple

import torch
from torch import Tensor, nn

from darkclr_ray.networks.block import Block, linear
from darkclr_ray.networks.dropout import Dropout
from darkclr_ray.networks.kernels.available import has_kernels
from darkclr_ray.networks.kernels.cpu import encoder as on_cpu
from darkclr_ray.networks.layout import layout_of
from darkclr_ray.settings import EncoderSettings


class EncoderOutput(NamedTuple):
    """Float32 output of the encoder for B jets.

    ``pooled`` (B, d_r) is the sum over constituents before the head, ``head`` (B, d_z) is the representation z.
    """

    pooled: Tensor
    head: Tensor


class Encoder(nn.Module):
    """Permutation-invariant encoder: embedding, post-norm transformer blocks, sum over constituents, head (Sec. 3.3).

    Blocks are those of ``nn.TransformerEncoderLayer`` (ReLU, post-norm) with its initialisation, drawn for each block
    separately. There is dropout on the attention's output, in the feed-forward network and after it, but none on the
    attention's probabilities, since attention on a GPU does not support it. The head has ``head_layers`` linear layers
    with ReLU between them, leaky if ``head_slope`` is positive, and no layer norm.

    Args:
        settings: sizes and dropout rate.
        seed: seed of the initial weights; the same seed gives the same weights on every machine.
        matmul_dtype: dtype of the matrix products in blocks and head, float32 or bfloat16. Weights, embedding (to a
            relative precision of 2^-16, see `first_layer`), sums of residuals, layer norms and the sum over
            constituents are float32 in either case.
    """

    def __init__(self, settings: EncoderSettings, *, seed: int = 0, matmul_dtype: torch.dtype = torch.float32) -> None:
        super().__init__()
        self.settings = settings
        self.matmul_dtype = matmul_dtype
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.embedding = nn.Linear(3, settings.d_r)
            self.blocks: Sequence[Block] = nn.ModuleList(Block(settings) for _ in range(settings.layers))  # type: ignore[assignment]
            self.head = head_network(settings)
        self._weights: on_cpu.Weights | None = None

    @contextmanager
    def frozen_weights(self) -> Iterator[None]:
        """Context in which the parameters do not change, so that kernels can use one copy of them without gradients."""
        if self.supports_ragged:
            self._weights = on_cpu.weights_of(self.embedding, self.blocks, self.matmul_dtype)
        try:
            yield
        finally:
            self._weights = None

    @property
    def supports_ragged(self) -> bool:
        """Return whether jets of any lengths can be in one batch at no cost, as with CPU kernels.

        Otherwise there is padding or, on a GPU, every jet takes as long as the longest.
        """
        return self._kernels() is not None

    def _kernels(self) -> CDLL | None:
        """Return the CPU kernels, or None if they are not available or do not support this encoder."""
        weight = self.embedding.weight
        known = weight.device.type == "cpu" and weight.dtype == torch.float32 and on_cpu.fits(self.settings)
        return on_cpu.library(self.matmul_dtype) if known else None

    def forward(
        self,
        constituents: Tensor,
        offsets: Tensor,
        *,
        dropout: torch.Generator | None = None,
        longest: int | None = None,
    ) -> EncoderOutput:
        """Return the representations of B jets.

        Args:
            constituents: float32 (M, 3), scaled pT, eta, phi; jet i owns rows offsets[i] to offsets[i + 1].
            offsets: int64 (B + 1,), strictly increasing from 0 to M: each jet has at least one constituent.
            dropout: generator of the dropout masks, on the device of the constituents; None means no dropout. Trainings
                seed it by (seed, epoch, step), so that a resumed training draws the same masks.
            longest: upper bound of the jets' lengths; with it, a GPU is not synchronised to read the offsets.
        """
        kernels = None if constituents.requires_grad else self._kernels()
        if kernels is not None:
            pooled = self._compiled(kernels, constituents, offsets, dropout)
        else:
            pooled = self._laid_out(constituents, offsets, dropout, longest)
        z = pooled
        for layer in self.head:
            z = linear(z.to(self.matmul_dtype), layer) if isinstance(layer, nn.Linear) else layer(z)
        return EncoderOutput(pooled, z.float())

    def _compiled(
        self, kernels: CDLL, constituents: Tensor, offsets: Tensor, generator: torch.Generator | None
    ) -> Tensor:
        """Return the sum over each jet's constituents, computed by CPU kernels."""
        settings = self.settings
        tile, width = on_cpu.tile_rows(kernels), max(settings.d_r, settings.d_h)
        tiles = -(-len(constituents) // tile)
        # a jet has rows in the tiles that it fills and in one more
        apart = int(offsets.diff().max()) + 2 * tile
        masks = Dropout(
            settings.dropout,
            generator,
            values=tiles * tile * width,
            stride=apart * width,
            uses=3 * len(self.blocks),
            dtype=torch.int8,
        )
        return on_cpu.pooled_on_cpu(
            kernels,
            self.embedding,
            self.blocks,
            constituents,
            offsets,
            self.matmul_dtype,
            (masks.scale, masks.pool, masks.stride),
            self._weights,
        )

    def _laid_out(
        self, constituents: Tensor, offsets: Tensor, generator: torch.Generator | None, longest: int | None
    ) -> Tensor:
        """Return the sum over each jet's constituents, computed on a GPU or by torch."""
        layout = layout_of(offsets, self.settings.heads, constituents.device, longest)
        rows = self.embedding(layout.arrange(constituents))
        fused = rows.is_cuda and has_kernels()
        width = max(self.settings.d_r, self.settings.d_h)
        masks = Dropout(
            self.settings.dropout,
            generator,
            values=len(rows) * width,
            stride=layout.longest * width,
            uses=3 * len(self.blocks),
            dtype=torch.int8 if fused else self.matmul_dtype,
        )
        dropouts = [masks.of_block(len(rows), self.settings) for _ in self.blocks]
        if fused:
            from darkclr_ray.networks.kernels.gpu.block import blocks_on_gpu  # needs Triton

            rows = blocks_on_gpu(list(self.blocks), rows, layout, dropouts, self.matmul_dtype)
        else:
            for block, own in zip(self.blocks, dropouts, strict=True):
                rows = block(rows, layout, own, self.matmul_dtype)
        return layout.pool(rows)


def head_network(settings: EncoderSettings) -> nn.Sequential:
    """Return the head d_r -> d_z -> ... -> d_z: ``head_layers`` linear layers with (leaky) ReLU between them."""
    layers: list[nn.Module] = [nn.Linear(settings.d_r, settings.d_z)]
    for _ in range(settings.head_layers - 1):
        activation = nn.LeakyReLU(settings.head_slope) if settings.head_slope else nn.ReLU()
        layers += [activation, nn.Linear(settings.d_z, settings.d_z)]
    return nn.Sequential(*layers)
