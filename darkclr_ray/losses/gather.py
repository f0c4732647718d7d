"""Gather representations of all workers, for losses that compare jets of the whole global batch."""

from __future__ import annotations

from typing import Any

import torch
import torch.distributed
from torch import Tensor

Share = tuple[int, int] | None
"""First position of a rank's rows in the global batch and the number of rows in it; None for a single process."""


def gather_rows(rows: Tensor, share: Share) -> Tensor:
    """Return the rows of all ranks, (N, d), in order; without a share these are ``rows`` themselves.

    Gradients flow to every rank: if each rank computes a loss from the result, the gradient of a rank's rows is that of
    the mean of all ranks' losses, weighted by their number of rows, divided by the rank's own weight in that mean. An
    average of the parameters' gradients with the same weights then equals that of one process with the whole batch.
    """
    gathered: Tensor = rows if share is None else _Gather.apply(rows, *share)  # type: ignore[no-untyped-call]
    return gathered


class _Gather(torch.autograd.Function):
    """Autograd function behind `gather_rows`."""

    @staticmethod
    def forward(ctx: Any, rows: Tensor, start: int, total: int) -> Tensor:
        ctx.own, ctx.weight = slice(start, start + len(rows)), len(rows) / total
        everybody = rows.new_zeros(total, rows.shape[1])
        everybody[ctx.own] = rows
        torch.distributed.all_reduce(everybody)
        return everybody

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:
        gradient = gradient * ctx.weight
        torch.distributed.all_reduce(gradient)
        return gradient[ctx.own] / ctx.weight, None, None
