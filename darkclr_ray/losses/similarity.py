"""Sec. 3.1: the cosine similarity s of representations."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor


def similarities(z: Tensor) -> Tensor:
    """Cosines of the angles between a jet's first view and each other one: (V, B, d_z) -> (V - 1, B).

    Each representation is normalised once, whatever it is compared with.

    >>> import torch
    >>> similarities(torch.tensor([[[1.0, 0.0]], [[2.0, 0.0]], [[0.0, -1.0]]])).tolist()
    [[1.0], [0.0]]
    """
    directions = F.normalize(z, dim=-1)
    return (directions[:1] * directions[1:]).sum(-1)
