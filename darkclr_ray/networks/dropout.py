"""Dropout with cheap random numbers: one random byte decides about one value.

The rate is rounded to a multiple of 1/256 (0.1 becomes 26/256), and what survives is scaled by the rounded rate, so
that expectations stay exact.
"""

from __future__ import annotations

import torch
from torch import Tensor


class Dropout:
    """Dropout at ``rate`` with masks from ``generator``; does nothing at rate 0 or without a generator.

    >>> Dropout(0.1, torch.Generator().manual_seed(1)).rate
    0.1015625
    """

    def __init__(self, rate: float, generator: torch.Generator | None) -> None:
        self.threshold = 0 if generator is None else round(256 * rate)
        self.rate = self.threshold / 256
        self.generator = generator

    def __call__(self, values: Tensor) -> Tensor:
        """``values`` with a share ``rate`` of them set to zero and the others divided by (1 - rate)."""
        if not self.threshold:
            return values
        return values * self.kept(values).to(values.dtype).mul_(1 / (1 - self.rate))

    def kept(self, like: Tensor) -> Tensor:
        """A bool tensor of the shape of ``like``, True where a value survives."""
        words = torch.empty((like.numel() + 7) // 8, dtype=torch.int64, device=like.device)
        words.random_(-(2**63), None, generator=self.generator)
        return (words.view(torch.uint8)[: like.numel()] >= self.threshold).view(like.shape)
