"""Sec. 4: a penalty on the norm of background representations, so that outliers end at larger norms."""

from __future__ import annotations

import torch
from torch import Tensor


def norm_penalty(anchor: Tensor) -> Tensor:
    """Mean over the batch of the L2 norm of the unnormalised anchors' representations (Sec. 4, "CLR anomaly score").

    Args:
        anchor: z, (B, d_z).

    >>> norm_penalty(torch.tensor([[3.0, 4.0], [0.0, 1.0]]))
    tensor(3.)
    """
    norms: Tensor = torch.linalg.vector_norm(anchor, dim=1)
    return norms.mean()
