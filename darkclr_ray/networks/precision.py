"""Select the dtype of matrix products."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

Precision = Literal["auto", "float32", "bfloat16"]

LARGE_PRODUCT = 2**20
"""Number of multiplications above which a product in bfloat16 is faster on a CPU than one in float32."""
SCORED_TOGETHER = 2**10
"""Number of rows assumed for passes without gradients, so that a jet's score does not depend on the batch size."""


def products_dtype(precision: Precision, device: torch.device | str) -> torch.dtype:
    """Return the dtype of matrix products for a setting; "auto" selects the fastest one on the device.

    A GPU is fast at bfloat16 from Ampere on, a CPU if it has AVX512-BF16 or AMX, also for small encoders.

    >>> products_dtype("float32", "cpu")
    torch.float32
    """
    if precision != "auto":
        return torch.bfloat16 if precision == "bfloat16" else torch.float32
    device = torch.device(device)
    if device.type == "cuda":
        fast = torch.cuda.get_device_capability(device) >= (8, 0)
    else:
        fast = torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()
    return torch.bfloat16 if fast else torch.float32


def product_type(matmul_dtype: torch.dtype, x: Tensor, weight: Tensor) -> torch.dtype:
    """Return the dtype in which to multiply x, (B, in), with a weight, (out, in).

    It is float32 where bfloat16 would be slower. The number of rows matters only in training.

    >>> product_type(torch.bfloat16, torch.zeros(100, 8), torch.zeros(8, 8))
    torch.float32
    """
    rows = len(x) if torch.is_grad_enabled() else SCORED_TOGETHER
    large = x.is_cuda or rows * weight.numel() >= LARGE_PRODUCT
    return matmul_dtype if large else weight.dtype
