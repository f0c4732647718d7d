"""How the constituents of a batch lie in memory while they pass the encoder.

Jets differ in length, attention wants rectangles, and every other operation of a transformer only wants rows. Jets are
therefore sorted by length once a batch and cut into a few rectangles of nearly equal length, end to end in one array of
rows; attention and pooling see the rectangles as views, everything else sees rows. A few per cent of the rows are
padding. On a GPU with variable-length attention the rows stay as they came and nothing is padded.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from darkclr_ray.networks.attention import rectangular_attention, variable_length_attention

RECTANGLES = 16
"""Rectangles that a batch is cut into at most: more pad less and call more."""


class Layout(Protocol):
    """The arrangement of one batch of B jets with M constituents on T >= M rows."""

    def arrange(self, constituents: Tensor) -> Tensor:
        """(M, F) constituents as they came -> (T, F) rows."""
        ...

    def attention(self, projected: Tensor, heads: int) -> Tensor:
        """Self-attention within each jet: (T, 3 d) queries, keys and values -> (T, d)."""
        ...

    def pool(self, rows: Tensor) -> Tensor:
        """Sum over the constituents of each jet: (T, d) -> float32 (B, d)."""
        ...


class Rectangle(NamedTuple):
    """``jets`` jets padded to ``length`` rows each; where any is padded, ``valid``, bool
    (jets, length), tells constituents from pads."""

    jets: int
    length: int
    valid: Tensor | None


class Rectangles:
    """Jets sorted by length and padded to a few rectangles. A pad repeats its jet's last constituent, masked."""

    def __init__(self, offsets: NDArray[np.int64], device: torch.device) -> None:
        sizes = np.diff(offsets)
        order = np.argsort(sizes, kind="stable")
        self.inverse = torch.from_numpy(np.argsort(order, kind="stable")).to(device)
        self.rectangles: list[Rectangle] = []
        sources = []
        for members in np.split(order, cuts(sizes[order], RECTANGLES)):
            length = int(sizes[members[-1]])
            slots = np.arange(length)
            sources.append((offsets[members, None] + np.minimum(slots, sizes[members, None] - 1)).ravel())
            valid = None
            if sizes[members[0]] < length:
                valid = torch.from_numpy(slots < sizes[members, None]).to(device)
            self.rectangles.append(Rectangle(len(members), length, valid))
        self.sources = torch.from_numpy(np.concatenate(sources)).to(device)

    def arrange(self, constituents: Tensor) -> Tensor:
        return constituents.index_select(0, self.sources)

    def attention(self, projected: Tensor, heads: int) -> Tensor:
        return torch.cat([rectangular_attention(block, heads, r.valid) for r, block in self.blocks(projected)])

    def pool(self, rows: Tensor) -> Tensor:
        sums = []
        for r, block in self.blocks(rows):
            values = block.float()
            sums.append((values if r.valid is None else values * r.valid[:, :, None]).sum(1))
        return torch.cat(sums).index_select(0, self.inverse)

    def blocks(self, rows: Tensor) -> Iterator[tuple[Rectangle, Tensor]]:
        """Each rectangle with its part of the rows, (jets, length, d). One split: the gradients of slices taken one by
        one would each be laid into zeros of the full size."""
        parts = torch.split(rows, [r.jets * r.length for r in self.rectangles])
        for r, part in zip(self.rectangles, parts, strict=True):
            yield r, part.view(r.jets, r.length, -1)


class Packed:
    """Rows as they came, for attention over variable lengths on a GPU."""

    def __init__(self, offsets: Tensor, longest: int) -> None:
        self.offsets = offsets.to(torch.int32)
        self.sizes = offsets.diff()
        self.longest = longest

    def arrange(self, constituents: Tensor) -> Tensor:
        return constituents

    def attention(self, projected: Tensor, heads: int) -> Tensor:
        return variable_length_attention(projected, heads, self.offsets, self.longest)

    def pool(self, rows: Tensor) -> Tensor:
        return torch.segment_reduce(rows.float(), "sum", lengths=self.sizes, unsafe=True)


def cuts(sizes: NDArray[np.int64], count: int) -> NDArray[np.int64]:
    """Where to cut jets of ascending ``sizes`` into at most ``count`` runs of about as many constituents each.

    >>> cuts(np.array([1, 2, 3, 3, 5, 6]), 2).tolist()
    [4]
    """
    total = np.cumsum(sizes)
    targets = total[-1] * np.arange(1, count) / count
    positions = np.searchsorted(total, targets)
    # A cut between two jets of one length only adds calls: move it to the first jet of that length.
    positions = np.searchsorted(sizes, sizes[positions])
    return np.unique(positions[positions > 0])


def layout_of(offsets: Tensor, device: torch.device, products: torch.dtype, longest: int | None) -> Layout:
    """The fastest layout of a batch: packed where a GPU computes in half precision, else rectangles."""
    if device.type == "cuda" and products == torch.bfloat16:
        return Packed(offsets.to(device), int(offsets.diff().max()) if longest is None else longest)
    return Rectangles(offsets.cpu().numpy(), device)
