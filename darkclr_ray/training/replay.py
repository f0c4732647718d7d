"""Buffer of the ends of earlier chains, from which new chains start (persistent contrastive divergence)."""

from __future__ import annotations

import torch
from torch import Tensor


class ReplayBuffer:
    """The last ends of chains, at most ``size``; each worker of a data-parallel training has its own.

    Attributes:
        ends: float32 (n, d), n <= size, the newest first; a part of a training's state.
    """

    def __init__(self, size: int, dimension: int) -> None:
        self.size = size
        self.ends = torch.zeros(0, dimension)

    def starts(self, count: int, ratio: float, generator: torch.Generator) -> Tensor:
        """Return starts of chains, (count, d): with probability ``ratio`` an earlier end, else standard normal.

        All are normal as long as the buffer is empty.
        """
        device = generator.device
        fresh = torch.randn(count, self.ends.shape[1], generator=generator, device=device)
        if not len(self.ends):
            return fresh
        self.ends = self.ends.to(device)
        rows = torch.randint(len(self.ends), (count,), generator=generator, device=device)
        replayed = torch.rand(count, generator=generator, device=device) < ratio
        return torch.where(replayed[:, None], self.ends[rows], fresh)

    def push(self, ends: Tensor) -> None:
        """Add the ends of chains, (B, d), and drop the oldest beyond the size."""
        self.ends = torch.cat([ends.detach(), self.ends.to(ends.device)])[: self.size]
