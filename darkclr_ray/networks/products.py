"""Matrix products on a CPU by the faster of the libraries that torch brings.

Torch multiplies float32 with MKL, which on processors of AMD runs at less than half of what they can do; oneDNN, with
which it multiplies bfloat16, does not. So large float32 products go to oneDNN there.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from darkclr_ray.networks.precision import LARGE_PRODUCT


def linear(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """x weight^T + bias, differentiable: (n, in), (out, in), (out,) -> (n, out), all of one type."""
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
    """x weight^T + bias, not differentiable."""
    if by_onednn(x, weight.numel()):
        return _onednn(x, weight, bias)
    return torch.addmm(bias, x, weight.t())


def multiply(a: Tensor, b: Tensor) -> Tensor:
    """a b, not differentiable: (n, k), (k, m) -> (n, m)."""
    return _onednn(a, b.t()) if by_onednn(a, b.numel()) else a @ b


def multiply_rows(a: Tensor, b: Tensor) -> Tensor:
    """a^T b, not differentiable: (n, k), (n, m) -> (k, m)."""
    return _onednn(b.t(), a.t()).t() if by_onednn(a, a.shape[1] * b.shape[1]) else a.t() @ b


def by_onednn(x: Tensor, each: int) -> bool:
    """Whether a product with ``each`` multiplications for a row of x is better left to oneDNN."""
    return x.dtype == torch.float32 and not x.is_cuda and len(x) * each >= LARGE_PRODUCT and _mkl_is_slow()


def _onednn(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    result: Tensor = torch.ops.mkldnn._linear_pointwise(x, weight, bias, "none", [], "")
    return result


@cache
def _mkl_is_slow() -> bool:
    """Whether torch would take MKL on a processor that it was not made for, and has oneDNN."""
    both = torch._C.has_mkl and torch._C._has_mkldnn
    about = Path("/proc/cpuinfo")
    there = both and hasattr(torch.ops.mkldnn, "_linear_pointwise") and about.exists()
    return there and "AuthenticAMD" in about.read_text(encoding="utf-8")
