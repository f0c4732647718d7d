"""Cosine similarity s of representations (Sec. 3.1)."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor


def similarities(z: Tensor) -> Tensor:
    """Return the cosine similarities of each jet's first view with its other views: (V, B, d_z) -> (V - 1, B).

    Each representation is normalised only once.

    >>> import torch
    >>> similarities(torch.tensor([[[1.0, 0.0]], [[2.0, 0.0]], [[0.0, -1.0]]])).tolist()
    [[1.0], [0.0]]
    """
    directions = F.normalize(z, dim=-1)
    return (directions[:1] * directions[1:]).sum(-1)
