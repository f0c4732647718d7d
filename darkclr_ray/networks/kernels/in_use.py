"""Describe, as text for records and tables, which kernels the networks use on this machine."""

from __future__ import annotations

import torch

from darkclr_ray.networks.kernels.available import has_kernels
from darkclr_ray.networks.kernels.cpu import autoencoder, encoder


def kernels_in_use(device: str, matmul_dtype: torch.dtype) -> str:
    """Return which kernels are used for networks on a device, "cpu" or "cuda", with products of a dtype.

    >>> kernels_in_use("cpu", torch.float64)
    'none: no C compiler that knows OpenMP, or not for these products'
    """
    if device == "cuda":
        return "Triton" if has_kernels() else "none: no Triton or no C compiler"
    libraries = {"encoder": encoder.library, "autoencoder": autoencoder.library}
    found = {name: own for name, library in libraries.items() if (own := library(matmul_dtype)) is not None}
    if not found:
        return "none: no C compiler that knows OpenMP, or not for these products"
    unit = ", by AMX" if all(hasattr(own, "may_multiply") for own in found.values()) else ""
    return f"C ({', '.join(found)}{unit})"
