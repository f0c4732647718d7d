"""Uniformity of representations on the unit sphere."""

from __future__ import annotations

import math

import torch
from torch import Tensor


def uniformity(directions: Tensor, t: float = 2.0) -> Tensor:
    """Return log of the mean of exp(-t |u - v|^2) over pairs of jets (Wang & Isola, arXiv:2005.10242, Eq. 5).

    It is 0 if all directions are equal, and smallest if they are spread evenly over the sphere.

    Args:
        directions: representations of unit length, (B, d), at least two.
        t: inverse squared length at which pairs repel each other.

    >>> round(float(uniformity(torch.tensor([[1.0, 0.0], [-1.0, 0.0]]))), 6)  # distance 2
    -8.0
    """
    exponents = -t * torch.pdist(directions).square()
    return exponents.logsumexp(0) - math.log(len(exponents))
