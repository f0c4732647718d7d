"""Which arithmetic the matrix products use."""

from __future__ import annotations

from typing import Literal

import torch

Precision = Literal["auto", "float32", "bfloat16"]


def products_dtype(precision: Precision, device: torch.device | str, width: int = 512) -> torch.dtype:
    """The type of matrix products for a setting: what is asked for, or for "auto" what is fastest here.

    >>> products_dtype("float32", "cpu")
    torch.float32
    """
    if precision != "auto":
        return torch.bfloat16 if precision == "bfloat16" else torch.float32
    device = torch.device(device)
    if device.type == "cuda":
        return torch.bfloat16 if torch.cuda.get_device_capability(device)[0] >= 8 else torch.float32
    fast = torch.cpu.get_capabilities().get("avx512_bf16") or torch.cpu.get_capabilities().get("amx_bf16")
    return torch.bfloat16 if fast else torch.float32
