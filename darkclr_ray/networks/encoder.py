"""The transformer encoder of Sec. 3.3 and Table 1, on packed jets."""

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
    """What the encoder makes of B jets, in float32.

    ``pooled`` (B, d_r): sum over constituents, before the head. ``head`` (B, d_z): the representation z.
    """

    pooled: Tensor
    head: Tensor


class Encoder(nn.Module):
    """Constituents -> embedding -> post-norm transformer blocks -> sum over constituents -> head.

    Blocks are those of ``nn.TransformerEncoderLayer`` (ReLU, post-norm), with its initialisation, each block drawing
    its own. Its dropouts on the attention's output and in and after the feed-forward network are kept; that on the
    attention's probabilities is left out, since attention on a GPU has none. The head is ``head_layers`` linear layers
    with ReLU between them and no layer norm.

    Args:
        settings: sizes and dropout rate.
        seed: of the initial weights; the same seed gives the same weights on every machine.
        matmul_dtype: arithmetic of the matrix products in blocks and head, float32 or bfloat16. Weights, embedding (but
            for 2^-16 of it, see `first_layer`), sums of residuals, layer norms and the sum over constituents are
            float32 in either case.
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
        """Within, parameters stay what they are: passes without gradients lay them out for kernels once."""
        if self.supports_ragged:
            self._weights = on_cpu.weights_of(self.embedding, self.blocks, self.matmul_dtype)
        try:
            yield
        finally:
            self._weights = None

    @property
    def supports_ragged(self) -> bool:
        """Whether jets of any lengths may go together at no cost, as kernels for a CPU take them. Otherwise there is
        padding, or, on a GPU, the longest jet's time for each."""
        return self._kernels() is not None

    def _kernels(self) -> CDLL | None:
        """Those for a CPU, if they are to be had and know such an encoder."""
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
        """Representations of B jets.

        Args:
            constituents: float32 (M, 3), scaled pT, eta, phi; jet i owns rows offsets[i] to offsets[i + 1].
            offsets: int64 (B + 1,), from 0 to M, rising: each jet has at least one constituent.
            dropout: generator of the dropout masks, on the device of the constituents; none: no dropout. Whoever trains
                seeds it by (seed, epoch, step), so that a resumed training draws the same masks.
            longest: an upper bound of the jets' lengths; saves a GPU from waiting for the offsets.
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
        """The sum over each jet's constituents, by kernels for a CPU."""
        settings = self.settings
        tile, width = on_cpu.tile_rows(kernels), max(settings.d_r, settings.d_h)
        tiles = -(-len(constituents) // tile)
        # a jet has rows in as many tiles as it fills, and in one more
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
        """The sum over each jet's constituents, on a GPU or by what torch brings."""
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
    """d_r -> d_z -> ... -> d_z in ``head_layers`` linear layers, ReLU between them."""
    layers: list[nn.Module] = [nn.Linear(settings.d_r, settings.d_z)]
    for _ in range(settings.head_layers - 1):
        layers += [nn.ReLU(), nn.Linear(settings.d_z, settings.d_z)]
    return nn.Sequential(*layers)
