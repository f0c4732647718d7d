"""Draw normal random numbers faster than torch on a CPU."""

from __future__ import annotations

from functools import cache

import torch
from torch import Tensor


def normal_like(values: Tensor, generator: torch.Generator) -> Tensor:
    """Return normal random numbers in the shape of ``values``, with mean 0 and variance 1.

    On a CPU each is computed from two random bytes, as an entry of a table of quantiles that reaches to 4.3 standard
    deviations. This is twice as fast as ``normal_``, which would take as long as a chain's matrix products.
    """
    if values.is_cuda:
        return torch.empty_like(values).normal_(generator=generator)
    words = torch.empty((values.numel() + 3) // 4, dtype=torch.int64, device=values.device)
    words.random_(-(2**63), None, generator=generator)
    places = words.view(torch.uint16)[: values.numel()].to(torch.int32)
    return normal_quantiles(values.dtype, values.device).index_select(0, places).view(values.shape)


@cache
def normal_quantiles(dtype: torch.dtype, device: torch.device) -> Tensor:
    """Return the normal distribution's quantiles at (i + 1/2) / 65536, (65536,), scaled to a variance of exactly 1."""
    quantiles: Tensor = torch.special.ndtri((torch.arange(65536, dtype=torch.float64) + 0.5) / 65536)
    return (quantiles / quantiles.square().mean().sqrt()).to(device, dtype)
