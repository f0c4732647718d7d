"""Dropout with cheap random numbers.

One random byte decides about one value: the rate is rounded to a multiple of 1/256 (0.1 becomes 26/256), and what
survives is scaled by the rounded rate, so that expectations stay exact. All masks of a step are windows into one pool,
shifted from use to use by more than a jet is long, so that hardly any jet sees its own mask twice. A mask is an integer
of all ones or zeros, applied as a bitwise and; the scale goes into the weights of the layer before or after. Kernels of
our own take the pool as it is, and scale what they mask.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from darkclr_ray.settings import EncoderSettings

INTEGERS = {torch.int8: torch.int8, torch.bfloat16: torch.int16, torch.float16: torch.int16, torch.float32: torch.int32}


class Masks(NamedTuple):
    """The masks of one transformer block: after attention, (T, d_r), between the layers of the feed-forward network,
    (T, d_h), and after it, (T, d_r); and by what surviving values are to be multiplied."""

    scale: float
    attention: Tensor | None
    hidden: Tensor | None
    fed: Tensor | None


class Dropout:
    """The dropout masks of one forward pass.

    Args:
        rate: share of values to drop; 0: no masks.
        generator: of the masks; none: no masks.
        values: the most values that one mask covers.
        stride: the most values that one jet has in one mask.
        uses: the most masks that will be drawn.
        dtype: of the values that will be masked; int8 for masks that are only looked at.

    Attributes:
        scale: by which surviving values are to be multiplied.
    """

    def __init__(
        self, rate: float, generator: torch.Generator | None, *, values: int, stride: int, uses: int, dtype: torch.dtype
    ) -> None:
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
            # From -128, ..., 127: the lowest to 0, which drops, all others to -1, whose bits are all set.
            dropped = threshold - 129
            self.pool = draws.clamp_(dropped, dropped + 1).neg_().add_(dropped).to(INTEGERS[dtype])

    def mask(self, rows: int, width: int) -> Tensor | None:
        """The next mask, (rows, width); None where nothing is dropped."""
        if self.pool is None:
            return None
        start = self.use * self.stride
        self.use += 1
        return self.pool[start : start + rows * width].view(rows, width)

    def of_block(self, rows: int, settings: EncoderSettings) -> Masks:
        """The next three masks, of a transformer block on (rows, d_r)."""
        widths = (settings.d_r, settings.d_h, settings.d_r)
        return Masks(self.scale, *(self.mask(rows, width) for width in widths))


def masked_(values: Tensor, mask: Tensor | None) -> Tensor:
    """``values``, set to zero in place where the mask says so."""
    if mask is not None:
        values.view(mask.dtype).bitwise_and_(mask)
    return values


def masked(values: Tensor, mask: Tensor | None) -> Tensor:
    """A copy of ``values``, zero where the mask says so; without a mask ``values`` as they are."""
    return values if mask is None else (values.view(mask.dtype) & mask).view(values.dtype)
