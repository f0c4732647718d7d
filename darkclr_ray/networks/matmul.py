"""Matrix products with the fastest of torch's libraries.

Torch multiplies float32 matrices with MKL, which reaches less than half of the peak speed on AMD processors; oneDNN,
which multiplies bfloat16 matrices, does not have this problem. Large float32 products therefore use oneDNN there. On a
GPU the sum over rows for the gradient of a bias uses a kernel of this package, because torch's takes as long as the
products beside it.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from darkclr_ray.networks.kernels.available import has_kernels
from darkclr_ray.networks.precision import LARGE_PRODUCT


def linear(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """Return x weight^T + bias, differentiable: (n, in), (out, in), (out,) -> (n, out), all of one dtype."""
    if not (by_onednn(x, weight.numel()) or x.is_cuda):
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
        return of_x, multiply_rows(gradient, x), sums(gradient)


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


def cast_together(parameters: Sequence[Tensor], matmul_dtype: torch.dtype) -> Sequence[Tensor]:
    """Return parameters in the dtype of the products, differentiable, by one cast of all of them."""
    if all(parameter.dtype == matmul_dtype for parameter in parameters):
        return parameters
    flat = torch.cat([parameter.flatten() for parameter in parameters]).to(matmul_dtype)
    parts = torch.split(flat, [parameter.numel() for parameter in parameters])
    return [part.view(parameter.shape) for part, parameter in zip(parts, parameters, strict=True)]


def aligned(weights: Sequence[Tensor], biases: Sequence[Tensor]) -> tuple[list[Tensor], list[Tensor]]:
    """Return weights and biases of consecutive layers with inner widths zero-padded to multiples of 8; differentiable.

    Other widths are slower on a GPU.
    """
    wide = [0, *(-len(weight) % 8 for weight in weights[:-1]), 0]
    return (
        [
            F.pad(w, (0, into, 0, out)) if into or out else w
            for w, into, out in zip(weights, wide, wide[1:], strict=False)
        ],
        [F.pad(bias, (0, out)) if out else bias for bias, out in zip(biases, wide[1:], strict=True)],
    )


def sums(a: Tensor) -> Tensor:
    """Return the sum over rows, not differentiable: (n, m) -> (m,)."""
    if a.is_cuda and has_kernels():
        from darkclr_ray.networks.kernels.gpu.column_sums import column_sums  # needs Triton

        return column_sums(a)
    return a.sum(0)


def by_onednn(x: Tensor, each: int) -> bool:
    """Return whether oneDNN is the faster library for a product with ``each`` multiplications per row of x."""
    return x.dtype == torch.float32 and not x.is_cuda and len(x) * each >= LARGE_PRODUCT and _mkl_is_slow()


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
