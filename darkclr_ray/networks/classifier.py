"""Head of the supervised classifier (Sec. 5.2): a two-layer network on the encoder's pooled output."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class Classifier(nn.Module):
    """Two-layer network (linear, ReLU, linear) that returns a logit per jet, larger for signal-like jets.

    Args:
        width: width of the input and of the hidden layer (d_r of the encoder).
        seed: seed of the initial weights.
    """

    def __init__(self, width: int, *, seed: int = 0) -> None:
        super().__init__()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.network = nn.Sequential(nn.Linear(width, width), nn.ReLU(), nn.Linear(width, 1))

    def forward(self, pooled: Tensor) -> Tensor:
        """Map pooled representations (B, width) to logits (B,)."""
        logits: Tensor = self.network(pooled)
        return logits.squeeze(-1)
