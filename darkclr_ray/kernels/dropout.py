"""Dropout masks that need one random byte per value.

The rate is rounded to a multiple of 1/256 (0.1 becomes 26/256), and the remaining values are multiplied by 1 / (1 -
rounded rate), so that expectations are exact. All masks of a step are windows of one pool of random values, shifted
from use to use by more than the length of a jet, so that hardly any jet gets the same mask twice.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from darkclr_ray.settings import EncoderSettings


class Masks(NamedTuple):
    """Dropout masks of one transformer block, and the factor of the remaining values.

    They apply after attention, (T, d_r), between the layers of the feed-forward network, (T, d_h), and after it, (T,
    d_r).
    """

    scale: float
    attention: Tensor | None
    hidden: Tensor | None
    fed: Tensor | None


class Dropout:
    """Dropout masks of one forward pass.

    Args:
        rate: fraction of values to drop; 0 means no masks.
        generator: random number generator of the masks; None means no masks.
        values: largest number of values in one mask.
        stride: largest number of values of one jet in one mask.
        uses: largest number of masks.

    Attributes:
        scale: factor of the remaining values.
        pool: int8, -1 or 0 where a value is dropped; None means that nothing is dropped.
        stride: distance in the pool between the begins of two masks.
    """

    def __init__(self, rate: float, generator: torch.Generator | None, *, values: int, stride: int, uses: int) -> None:
        threshold = 0 if generator is None else round(256 * rate)
        self.scale = 256 / (256 - threshold)
        self.stride = (stride + 63) // 64 * 64
        self.use = 0
        self.pool: Tensor | None = None
        if threshold:
            assert generator is not None
            size = values + uses * self.stride
            words = torch.empty((size + 7) // 8, dtype=torch.int64, device=generator.device)
            draws = words.random_(-(2**63), None, generator=generator).view(torch.int8)
            # Of -128, ..., 127 the lowest become 0, which drops a value, and all others -1, whose bits are all set.
            dropped = threshold - 129
            self.pool = draws.clamp_(dropped, dropped + 1).neg_().add_(dropped)

    def mask(self, rows: int, width: int) -> Tensor | None:
        """Return the next mask, (rows, width); None if nothing is dropped."""
        if self.pool is None:
            return None
        start = self.use * self.stride
        self.use += 1
        return self.pool[start : start + rows * width].view(rows, width)

    def of_block(self, rows: int, settings: EncoderSettings) -> Masks:
        """Return the next three masks, for a transformer block on (rows, d_r)."""
        widths = (settings.d_r, settings.d_h, settings.d_r)
        return Masks(self.scale, *(self.mask(rows, width) for width in widths))
