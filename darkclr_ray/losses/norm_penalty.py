"""Penalty on the norm of background representations (Sec. 4), so that outliers have larger norms."""

from __future__ import annotations

import torch
from torch import Tensor


def norm_penalty(anchor: Tensor) -> Tensor:
    """Return the mean over the batch of the L2 norm of the anchors' unnormalised representations (Sec. 4).

    Args:
        anchor: z, (B, d_z).

    >>> norm_penalty(torch.tensor([[3.0, 4.0], [0.0, 1.0]]))
    tensor(3.)
    """
    norms: Tensor = torch.linalg.vector_norm(anchor, dim=1)
    return norms.mean()
