"""Eq. 3: the positive view close to the anchor, the anomalous view far from it."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor


def anomaly_contrastive(anchor: Tensor, positive: Tensor, anomalous: Tensor, temperature: float = 0.1) -> Tensor:
    """Mean over the batch of (s(z, z*) - s(z, z')) / tau with the cosine similarity s (Eq. 3).

    The cost is linear in the number of jets: no jet is compared with another. Eq. 3 shows no temperature tau; the
    authors' code divides by 0.1.

    Args:
        anchor: z, (B, d_z).
        positive: z', (B, d_z).
        anomalous: z*, (B, d_z).
        temperature: tau.

    Returns:
        A scalar between -2 / tau and 2 / tau.

    >>> import torch
    >>> z = torch.tensor([[1.0, 0.0]])
    >>> anomaly_contrastive(z, 3 * z, -z, temperature=1.0)
    tensor(-2.)
    """
    difference = F.cosine_similarity(anchor, anomalous) - F.cosine_similarity(anchor, positive)
    return difference.mean() / temperature
