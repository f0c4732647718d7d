"""What data-parallel workers exchange. Every rank sees a slice of each global batch; one process exchanges nothing."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, distributed


def weighted_sum(tensors: Sequence[Tensor], weight: float) -> None:
    """Replace each tensor, in place, by its sum over the ranks with this rank's ``weight``.

    With a rank's share of the global batch as its weight, a mean over the rank's slice becomes the mean over the global
    batch, also where slices differ in size. All tensors travel in one message.
    """
    buffer = torch.cat([tensor.reshape(-1).float() for tensor in tensors]).mul_(weight)
    distributed.all_reduce(buffer)
    parts = torch.split(buffer, [tensor.numel() for tensor in tensors])
    for tensor, summed in zip(tensors, parts, strict=True):
        tensor.copy_(summed.view_as(tensor))


def gather_rows(rows: Tensor, start: int, total: int) -> Tensor:
    """All ranks' rows, (total, d), where this rank owns those from ``start`` on; only its own carry a gradient.

    Slices may differ in size: each rank lays its own into zeros, and the sum over ranks is exact.
    """
    everything = rows.new_zeros((total, *rows.shape[1:]))
    everything[start : start + len(rows)] = rows.detach()
    distributed.all_reduce(everything)
    return torch.cat([everything[:start], rows, everything[start + len(rows) :]])


def of_first_rank(value: float, rank: int, device: torch.device) -> float:
    """The first rank's number, on all: where ranks compute the same, they may differ in the last bit."""
    first = torch.tensor(value if rank == 0 else 0.0, dtype=torch.float64, device=device)
    distributed.all_reduce(first)
    return float(first)


def agreed(value: int, device: torch.device) -> bool:
    """Whether all ranks came with the same number."""
    ends = torch.tensor([value, -value], device=device)
    distributed.all_reduce(ends, distributed.ReduceOp.MAX)
    return bool(ends.sum() == 0)


def slice_of(total: int, rank: int, world_size: int) -> slice:
    """The contiguous part of ``total`` rows that a rank owns; parts differ by at most one row.

    >>> [slice_of(5, rank, 2) for rank in range(2)]
    [slice(0, 2, None), slice(2, 5, None)]
    """
    return slice(total * rank // world_size, total * (rank + 1) // world_size)
