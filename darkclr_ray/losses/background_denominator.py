"""Denominator over background jets, which makes Eq. 3 the full loss of AnomalyCLR."""

from __future__ import annotations

import torch
from torch import Tensor

from darkclr_ray.losses.gather import Share, gather_rows


def background_denominator(
    anchor: Tensor, positive: Tensor, temperature: float = 0.1, *, share: Share = None
) -> Tensor:
    """Return the mean over jets i of log sum_{j != i} (exp(s(z_i, z_j) / tau) + exp(s(z_i, z'_j) / tau)).

    Eq. 3 is the loss of AnomalyCLR without this term (Dillon et al., arXiv:2301.04660). The term separates background
    jets from each other, so that their representations do not all align with one direction. Its cost is quadratic in
    the number of jets of a batch.

    Args:
        anchor: directions z of unit length, (B, d).
        positive: directions z' of the positive views of the same jets, (B, d).
        temperature: tau.
        share: position of these jets in the global batch, at least two jets; see `gather_rows`.

    >>> u = torch.eye(2)
    >>> round(float(background_denominator(u, u, temperature=1.0)), 6)  # log(1 + 1)
    0.693147
    """
    start, total = share or (0, len(anchor))
    views = torch.cat([gather_rows(anchor, share), gather_rows(positive, share)])
    logits = anchor @ views.T / temperature
    own = start + torch.arange(len(anchor), device=anchor.device)
    same_jet = torch.stack([own, total + own], dim=1)
    return logits.scatter(1, same_jet, -torch.inf).logsumexp(1).mean()
