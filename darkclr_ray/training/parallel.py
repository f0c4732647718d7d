"""Collective operations of data-parallel workers, each of which holds a slice of every global batch."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, distributed


def weighted_sum(tensors: Sequence[Tensor], weight: float) -> None:
    """Replace each tensor, in place, by its sum over the ranks, each rank multiplied by its own ``weight``.

    If the weight is a rank's share of the global batch, means over slices become means over the global batch, also for
    slices of different size. All tensors are sent in one message.
    """
    buffer = torch.cat([tensor.reshape(-1).float() for tensor in tensors]).mul_(weight)
    distributed.all_reduce(buffer)
    parts = torch.split(buffer, [tensor.numel() for tensor in tensors])
    for tensor, summed in zip(tensors, parts, strict=True):
        tensor.copy_(summed.view_as(tensor))


def gather_rows(rows: Tensor, start: int, total: int) -> Tensor:
    """Return all ranks' rows, (total, d), of which this rank owns those from ``start`` on, with their gradients.

    Only the rows of this rank have a gradient. Slices may differ in size: each rank writes its own into zeros, so that
    the sum over ranks is exact.
    """
    everything = rows.new_zeros((total, *rows.shape[1:]))
    everything[start : start + len(rows)] = rows.detach()
    distributed.all_reduce(everything)
    return torch.cat([everything[:start], rows, everything[start + len(rows) :]])


def of_first_rank(value: float, rank: int, device: torch.device) -> float:
    """Return rank 0's number on all ranks, since results of the same computation can differ in the last bit."""
    first = torch.tensor(value if rank == 0 else 0.0, dtype=torch.float64, device=device)
    distributed.all_reduce(first)
    return float(first)


def agreed(value: int, device: torch.device) -> bool:
    """Return whether all ranks passed the same number."""
    ends = torch.tensor([value, -value], device=device)
    distributed.all_reduce(ends, distributed.ReduceOp.MAX)
    return bool(ends.sum() == 0)
