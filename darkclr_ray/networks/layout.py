"""Memory layouts of the constituents of a batch inside the encoder.

Jets differ in length. Attention needs rectangles, while every other operation of a transformer only needs rows. Jets
are therefore sorted by length once per batch and split into a few rectangles of nearly equal length, concatenated in
one array of rows; attention and pooling use views of the rectangles. A few per cent of the rows are padding. The
compiled kernels, for a GPU or a CPU, need no padding and keep the order of the rows.
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
"""Largest number of constituents per jet that the kernel for packed jets supports."""

JETS_PER_RECTANGLE = 48
"""Number of jets per rectangle; larger rectangles have more padding, smaller ones need more calls.

It is fixed so that matrix products have few shapes, since their code is generated once for each.
"""


class Layout(Protocol):
    """Arrangement of a batch of B jets with M constituents in T >= M rows; ``longest`` bounds a jet's rows."""

    longest: int

    def arrange(self, constituents: Tensor) -> Tensor:
        """Arrange constituents (M, F) as rows (T, F)."""
        ...

    def attention(self, projected: Tensor, heads: int) -> Tensor:
        """Return the self-attention within each jet: (T, 3 d) queries, keys and values -> (T, d)."""
        ...

    def pool(self, rows: Tensor) -> Tensor:
        """Return the sum over the constituents of each jet: float32 (T, d) -> (B, d)."""
        ...


class PaddedBuckets:
    """Layout of jets sorted by length and padded to a few rectangles.

    Padding repeats a jet's last constituent and is masked.
    """

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
    """Layout of rows in their original order, for attention on packed jets on a GPU.

    Rows after those of the last jet belong to no jet.
    """

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
    """Return sums over the rows of concatenated jets: rows (T, d) and sizes (B,) -> (B, d)."""
    return torch.segment_reduce(rows, "sum", lengths=sizes, unsafe=True)


def layout_of(offsets: Tensor, heads: int, device: torch.device, longest: int | None) -> Layout:
    """Return the fastest layout of a batch: packed if the GPU kernel for it is available, otherwise rectangles."""
    if device.type == "cuda" and has_kernels():
        longest = int(offsets.diff().max()) if longest is None else longest
        if longest <= LONGEST_PACKED:
            from darkclr_ray.networks.kernels.gpu.attention import packed_attention  # needs Triton

            return Packed(offsets.to(device), longest, packed_attention)
    return PaddedBuckets(offsets.cpu().numpy(), heads, device)
