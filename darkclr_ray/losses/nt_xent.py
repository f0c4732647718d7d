"""NT-Xent, the loss of JetCLR: one positive pair against all other jets of the batch."""

from __future__ import annotations

import torch
import torch.distributed
import torch.nn.functional as F
from torch import Tensor


def nt_xent(first: Tensor, second: Tensor, temperature: float = 0.1, *, gather: bool = False) -> Tensor:
    """Normalised-temperature cross-entropy over 2B views (Chen et al., arXiv:2002.05709, Eq. 1; JetCLR, 2108.04253).

    For view i of a jet with its other view j: -log(exp(s_ij / tau) / sum_{k != i} exp(s_ik / tau)), s the cosine
    similarity and k over all views of all jets; the mean over i.

    Args:
        first: (B, d_z), one view of each jet.
        second: (B, d_z), the other view of the same jets in the same order.
        temperature: tau.
        gather: take the views of all ranks of torch.distributed as negatives. Each rank then returns the mean over its
            own views, and gradients flow to every rank, so that averaging them over ranks gives what one process with
            the whole batch gets. All ranks must hold equally many jets.

    >>> z = torch.eye(2)
    >>> round(float(nt_xent(z, z, temperature=1.0)), 6)  # log(e + 1 + 1) - 1
    0.551445
    """
    own = F.normalize(torch.cat([first, second]), dim=1)
    views, rank = own, 0
    if gather and torch.distributed.is_initialized():
        views = _Gather.apply(own)  # type: ignore[no-untyped-call]
        rank = torch.distributed.get_rank()
    rows = torch.arange(len(own), device=own.device)
    start = rank * len(own)
    logits = own @ views.T / temperature
    logits = logits.scatter(1, (start + rows)[:, None], -torch.inf)
    return F.cross_entropy(logits, start + rows.roll(len(first)))


class _Gather(torch.autograd.Function):
    """The rows of all ranks end to end; backwards, the sum over ranks of the gradients of one's own rows."""

    @staticmethod
    def forward(ctx: torch.autograd.function.FunctionCtx, rows: Tensor) -> Tensor:
        parts = [torch.empty_like(rows) for _ in range(torch.distributed.get_world_size())]
        torch.distributed.all_gather(parts, rows.contiguous())
        return torch.cat(parts)

    @staticmethod
    def backward(ctx: torch.autograd.function.FunctionCtx, gradient: Tensor) -> Tensor:
        gradient = gradient.contiguous()
        torch.distributed.all_reduce(gradient)
        return gradient.chunk(torch.distributed.get_world_size())[torch.distributed.get_rank()]
