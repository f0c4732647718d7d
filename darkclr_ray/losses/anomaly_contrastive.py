"""Loss of DarkCLR (Eq. 3), which aligns the positive view with the anchor and separates the anomalous view from it."""

from __future__ import annotations

from torch import Tensor


def anomaly_contrastive(positive: Tensor, anomalous: Tensor, temperature: float = 0.1) -> Tensor:
    """Return the mean over the batch of (s(z, z*) - s(z, z')) / tau (Eq. 3).

    The cost is linear in the number of jets, since no jet is compared with another. Eq. 3 has no temperature tau; the
    authors' code divides by 0.1.

    Args:
        positive: s(z, z'), cosine similarities of anchors and their positive views, (B,); see `similarities`.
        anomalous: s(z, z*), those of anchors and their anomalous views, (B,).
        temperature: tau.

    Returns:
        A scalar between -2 / tau and 2 / tau.

    >>> import torch
    >>> anomaly_contrastive(torch.tensor([1.0]), torch.tensor([-1.0]), temperature=1.0)
    tensor(-2.)
    """
    return (anomalous - positive).mean() / temperature
