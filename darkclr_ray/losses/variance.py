"""Variance term of VICReg, which keeps the standard deviation of every dimension of a representation above zero."""

from __future__ import annotations

import torch
from torch import Tensor

EPSILON = 1e-4
"""Constant that is added to a variance, so that the gradient of its root stays finite (VICReg's value)."""


def variance_hinge(z: Tensor, target: float = 1.0) -> Tensor:
    """Return the mean over dimensions of max(0, target - sqrt(Var + 1e-4)) (Bardes et al., arXiv:2105.04906, Eq. 1).

    It is zero if the standard deviation of each dimension over the batch reaches the target, and about the target for a
    constant representation.

    Args:
        z: representations of a batch, (B, d), at least two.
        target: standard deviation below which a dimension is penalised (gamma).

    >>> variance_hinge(torch.tensor([[0.0, 0.0], [4.0, 0.0]]))  # deviations 2.8 and 0
    tensor(0.4950)
    """
    return torch.relu(target - (z.var(0) + EPSILON).sqrt()).mean()
