"""How the constituents of a batch lie in memory while they pass the encoder.

Jets differ in length, attention wants rectangles, and every other operation of a transformer only wants rows. Jets are
therefore sorted by length once a batch and cut into a few rectangles of nearly equal length, end to end in one array of
rows; attention and pooling see the rectangles as views, everything else sees rows. A few per cent of the rows are
padding. With kernels of our own, for a GPU or a CPU, the rows stay as they came.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from darkclr_ray.networks.attention import Rectangle, rectangular_attention
from darkclr_ray.networks.kernels.available import has_kernels

LONGEST_PACKED = 256
"""Constituents of a jet that the kernel for packed jets takes at most."""

JETS_PER_RECTANGLE = 48
"""More pad more, fewer call more. The number is fixed so that matrix products meet few shapes: their code is generated
once for each."""


class Layout(Protocol):
    """The arrangement of one batch of B jets with M constituents on T >= M rows; ``longest`` bounds a jet's rows."""

    longest: int

    def arrange(self, constituents: Tensor) -> Tensor:
        """(M, F) constituents as they came -> (T, F) rows."""
        ...

    def attention(self, projected: Tensor, heads: int) -> Tensor:
        """Self-attention within each jet: (T, 3 d) queries, keys and values -> (T, d)."""
        ...

    def pool(self, rows: Tensor) -> Tensor:
        """Sum over the constituents of each jet: float32 (T, d) -> (B, d)."""
        ...


class PaddedBuckets:
    """Jets sorted by length and padded to a few rectangles. A pad repeats its jet's last constituent, masked."""

    def __init__(self, offsets: NDArray[np.int64], heads: int, device: torch.device) -> None:
        def to_device(numbers: NDArray[np.int64]) -> Tensor:
            return torch.from_numpy(numbers).to(device)

        sizes = np.diff(offsets)
        order = np.argsort(sizes, kind="stable")
        self.longest = int(sizes.max())
        self.inverse = to_device(np.argsort(order, kind="stable"))
        self.rectangles: list[Rectangle] = []
        sources, pad_rows, first = [], [], 0
        for members in np.split(order, range(JETS_PER_RECTANGLE, len(order), JETS_PER_RECTANGLE)):
            length = int(sizes[members[-1]])
            slots = np.arange(length)
            sources.append((offsets[members, None] + np.minimum(slots, sizes[members, None] - 1)).ravel())
            jets, places = np.nonzero(slots >= sizes[members, None])
            pads = (jets[:, None] * heads + np.arange(heads)) * length + places[:, None]
            self.rectangles.append(
                Rectangle(first, len(members), length, to_device(pads.ravel()) if len(jets) else None)
            )
            pad_rows.append(first + jets * length + places)
            first += len(members) * length
        self.sources, self.pad_rows = to_device(np.concatenate(sources)), to_device(np.concatenate(pad_rows))

    def arrange(self, constituents: Tensor) -> Tensor:
        return constituents.index_select(0, self.sources)

    def attention(self, projected: Tensor, heads: int) -> Tensor:
        return rectangular_attention(projected, heads, self.rectangles, self.pad_rows)

    def pool(self, rows: Tensor) -> Tensor:
        rows = rows.index_fill(0, self.pad_rows, 0)
        parts = torch.split(rows, [r.jets * r.length for r in self.rectangles])
        sums = [part.view(r.jets, r.length, -1).sum(1) for r, part in zip(self.rectangles, parts, strict=True)]
        return torch.cat(sums).index_select(0, self.inverse)


class Packed:
    """Rows as they came, for attention over packed jets on a GPU. Rows beyond the last jet's belong to none."""

    def __init__(self, offsets: Tensor, longest: int, kernel: Callable[[Tensor, int, Tensor, int], Tensor]) -> None:
        self.offsets = offsets
        self.sizes = offsets.diff()
        self.longest = longest
        self.kernel = kernel

    def arrange(self, constituents: Tensor) -> Tensor:
        return constituents

    def attention(self, projected: Tensor, heads: int) -> Tensor:
        return self.kernel(projected, heads, self.offsets, self.longest)

    def pool(self, rows: Tensor) -> Tensor:
        return sums_of_jets(rows, self.sizes)


def sums_of_jets(rows: Tensor, sizes: Tensor) -> Tensor:
    """Sums over the rows of jets that lie end to end: (T, d) and (B,) -> (B, d)."""
    return torch.segment_reduce(rows, "sum", lengths=sizes, unsafe=True)


def layout_of(offsets: Tensor, heads: int, device: torch.device, longest: int | None) -> Layout:
    """The fastest layout of a batch: packed where a GPU has attention for it, else rectangles."""
    if device.type == "cuda" and has_kernels():
        longest = int(offsets.diff().max()) if longest is None else longest
        if longest <= LONGEST_PACKED:
            from darkclr_ray.networks.kernels.gpu.attention import packed_attention  # needs Triton

            return Packed(offsets.to(device), longest, packed_attention)
    return PaddedBuckets(offsets.cpu().numpy(), heads, device)
