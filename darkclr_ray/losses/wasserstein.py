"""Wasserstein distance between two samples of equal size, the loss of the Wasserstein normalised autoencoder."""

from __future__ import annotations

import torch
from torch import Tensor


def wasserstein(x: Tensor, y: Tensor) -> Tensor:
    """Return the squared 2-Wasserstein distance, a scalar, of the empirical distributions of x and y, (B, D) each.

    It is the mean squared distance of pairs under the best assignment, which is exact (scipy's solver, of cubic cost in
    B; no entropic regularisation). The gradient is that at a fixed assignment, which is exact almost everywhere. CMS
    (arXiv:2510.02168) trains on this distance between data and the ends of Langevin chains.

    Raises ValueError if the sizes differ or a value is not finite.

    >>> float(wasserstein(torch.tensor([[0.0], [1.0]]), torch.tensor([[3.0], [2.0]])))
    4.0
    """
    from scipy.optimize import linear_sum_assignment

    if x.shape != y.shape:
        raise ValueError(f"samples of one size are needed, not of shapes {tuple(x.shape)} and {tuple(y.shape)}")
    with torch.no_grad():
        cost = x.square().sum(1)[:, None] + y.square().sum(1) - 2.0 * x @ y.T
    _, columns = linear_sum_assignment(cost.double().cpu().numpy())
    return (x - y[torch.from_numpy(columns).to(y.device)]).square().sum(1).mean()
