"""Covariance term of VICReg, which decorrelates the dimensions of a representation."""

from __future__ import annotations

from torch import Tensor


def squared_covariance(z: Tensor) -> Tensor:
    """Return the sum of squared covariances of different dimensions, divided by d (arXiv:2105.04906, Eq. 3 and 4).

    Args:
        z: representations of a batch, (B, d), at least two.

    >>> import torch
    >>> squared_covariance(torch.tensor([[0.0, 0.0], [1.0, 1.0]]))  # covariance 0.5
    tensor(0.2500)
    """
    centred = z - z.mean(0)
    covariance = centred.T @ centred / (len(z) - 1)
    return (covariance.square().sum() - covariance.diagonal().square().sum()) / z.shape[1]
