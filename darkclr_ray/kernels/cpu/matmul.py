"""Linear layer in float32 with the faster of torch's libraries.

Torch multiplies float32 matrices with MKL, which reaches less than half of the peak speed on AMD processors; oneDNN,
which multiplies bfloat16 matrices, does not have this problem. Large float32 products therefore use oneDNN there.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

LARGE_PRODUCT = 2**20
"""Number of multiplications from which on oneDNN is used."""


def linear(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """Return x weight^T + bias, differentiable: (n, in), (out, in), (out,) -> (n, out), all of one dtype."""
    if not by_onednn(x, weight.numel()):
        return F.linear(x, weight, bias)
    result: Tensor = _Linear.apply(x, weight, bias)  # type: ignore[no-untyped-call]
    return result


class _Linear(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        ctx.save_for_backward(x, weight)
        return affine(x, weight, bias)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, Tensor, Tensor]:
        x, weight = ctx.saved_tensors
        of_x = multiply(gradient, weight) if ctx.needs_input_grad[0] else None
        return of_x, multiply_rows(gradient, x), gradient.sum(0)


def affine(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """Return x weight^T + bias, not differentiable: (n, in), (out, in), (out,) -> (n, out)."""
    if by_onednn(x, weight.numel()):
        return _onednn(x, weight, bias)
    return torch.addmm(bias, x, weight.t())


def multiply(a: Tensor, b: Tensor) -> Tensor:
    """Return a b, not differentiable: (n, k), (k, m) -> (n, m)."""
    return _onednn(a, b.t()) if by_onednn(a, b.numel()) else a @ b


def multiply_rows(a: Tensor, b: Tensor) -> Tensor:
    """Return a^T b, not differentiable: (n, k), (n, m) -> (k, m)."""
    whole = a.is_contiguous() and b.is_contiguous()  # oneDNN is very slow for columns of larger matrices
    return _onednn(b.t(), a.t()).t() if whole and by_onednn(a, a.shape[1] * b.shape[1]) else a.t() @ b


def by_onednn(x: Tensor, each: int) -> bool:
    """Return whether oneDNN is the faster library for a product with ``each`` multiplications per row of x."""
    return x.dtype == torch.float32 and len(x) * each >= LARGE_PRODUCT and _mkl_is_slow()


def _onednn(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    result: Tensor = torch.ops.mkldnn._linear_pointwise(x, weight, bias, "none", [], "")
    return result


@cache
def _mkl_is_slow() -> bool:
    """Return whether torch would use MKL on an AMD processor although it has oneDNN."""
    both = torch._C.has_mkl and torch._C._has_mkldnn
    about = Path("/proc/cpuinfo")
    there = both and hasattr(torch.ops.mkldnn, "_linear_pointwise") and about.exists()
    return there and "AuthenticAMD" in about.read_text(encoding="utf-8")
