"""NT-Xent, the loss of JetCLR, which contrasts each positive pair with all other jets of the batch."""

from __future__ import annotations

from typing import Any

import torch
import torch.distributed
import torch.nn.functional as F
from torch import Tensor


def nt_xent(first: Tensor, second: Tensor, temperature: float = 0.1, *, share: tuple[int, int] | None = None) -> Tensor:
    """Return the normalised-temperature cross-entropy over 2B views (Chen et al., arXiv:2002.05709, Eq. 1).

    It is the loss of JetCLR (arXiv:2108.04253). For view i of a jet with its other view j it is -log(exp(s_ij / tau) /
    sum_{k != i} exp(s_ik / tau)), where s is the cosine similarity and k runs over all views of all jets; the result is
    the mean over i.

    Args:
        first: (B, d_z), one view of each jet.
        second: (B, d_z), the other view of the same jets in the same order.
        temperature: tau.
        share: first position of these jets in the global batch of torch.distributed, and the number of jets in it: the
            views of all of them are negatives. Each rank then returns the mean over its own views, and gradients flow
            to every rank, so that the mean over ranks, weighted by their number of jets, equals the result of one
            process with the whole batch.

    >>> z = torch.eye(2)
    >>> round(float(nt_xent(z, z, temperature=1.0)), 6)  # log(e + 1 + 1) - 1
    0.551445
    """
    own = F.normalize(torch.cat([first, second]), dim=1)
    views, start = own, 0
    if share is not None:
        start, total = (2 * jets for jets in share)
        views = _Gather.apply(own, start, total)  # type: ignore[no-untyped-call]
    rows = torch.arange(len(own), device=own.device)
    logits = own @ views.T / temperature
    logits = logits.scatter(1, (start + rows)[:, None], -torch.inf)
    return F.cross_entropy(logits, start + rows.roll(len(first)))


class _Gather(torch.autograd.Function):
    """Autograd function that gathers the rows of all ranks in order.

    Its backward pass returns the gradient, with respect to this rank's rows, of the mean of all ranks' losses weighted
    by their number of rows, divided by this rank's weight in that mean.
    """

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
