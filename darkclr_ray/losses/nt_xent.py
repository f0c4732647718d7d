"""NT-Xent, the loss of JetCLR, which contrasts each positive pair with all other jets of the batch."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from darkclr_ray.losses.gather import Share, gather_rows


def nt_xent(first: Tensor, second: Tensor, temperature: float = 0.1, *, share: Share = None) -> Tensor:
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
    rows_of_views = None if share is None else (2 * share[0], 2 * share[1])
    views, start = gather_rows(own, rows_of_views), 0 if share is None else 2 * share[0]
    rows = torch.arange(len(own), device=own.device)
    logits = own @ views.T / temperature
    logits = logits.scatter(1, (start + rows)[:, None], -torch.inf)
    return F.cross_entropy(logits, start + rows.roll(len(first)))
