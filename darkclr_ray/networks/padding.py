"""Conversion of packed jets to zero-padded arrays."""

from __future__ import annotations

import torch
from torch import Tensor

JETS_TOGETHER = 48
"""Number of jets of similar length that are padded together; more need more padding, fewer need more calls."""


def pad(
    constituents: Tensor, offsets: Tensor, length: int | None = None, jets: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """Convert packed jets to zero-padded (B, N, 3) and a mask (B, N), which is False for padding.

    Args:
        constituents: (M, 3); jet i owns rows offsets[i] to offsets[i + 1].
        offsets: int64, on the device of the constituents.
        length: N; by default the length of the longest jet.
        jets: int64 (B,), indices of the jets to convert; by default all.

    >>> x, mask = pad(torch.ones(3, 3), torch.tensor([0, 2, 3]))
    >>> x[:, :, 0].tolist(), mask.tolist()
    ([[1.0, 1.0], [1.0, 0.0]], [[True, True], [True, False]])
    """
    first, sizes = offsets[:-1], offsets.diff()
    if jets is not None:
        first, sizes = first[jets], sizes[jets]
    slots = torch.arange(int(sizes.max()) if length is None else length, device=offsets.device)
    mask = slots < sizes[:, None]
    rows = torch.where(mask, first[:, None] + slots, 0)
    return torch.where(mask[:, :, None], constituents[rows], 0.0), mask


def length_buckets(offsets: Tensor) -> tuple[Tensor, ...]:
    """Return the indices of the jets, sorted by length, in parts of `JETS_TOGETHER`.

    >>> length_buckets(torch.tensor([0, 3, 4, 6]))
    (tensor([1, 2, 0]),)
    """
    return torch.split(offsets.diff().argsort(stable=True), JETS_TOGETHER)
