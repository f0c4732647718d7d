"""Select the dtype of matrix products."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Literal

import torch

Precision = Literal["auto", "float32", "bfloat16"]


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


def products_in(matmul_dtype: torch.dtype, device: torch.device) -> AbstractContextManager[object]:
    """Return a context in which matrix products are computed in ``matmul_dtype``, and other operations as they are."""
    return torch.autocast(device.type, matmul_dtype) if matmul_dtype == torch.bfloat16 else nullcontext()
