"""Linear layers on a GPU.

The sum over rows for the gradient of a bias uses a kernel of this package, because torch's takes as long as the
products beside it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from darkclr_ray.kernels.gpu.column_sums import column_sums


def linear(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """Return x weight^T + bias, differentiable: (n, in), (out, in), (out,) -> (n, out), all of one dtype."""
    result: Tensor = _Linear.apply(x, weight, bias)
    return result


class _Linear(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        ctx.save_for_backward(x, weight)
        return torch.addmm(bias, x, weight.t())

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, Tensor, Tensor]:
        x, weight = ctx.saved_tensors
        of_x = gradient @ weight if ctx.needs_input_grad[0] else None
        return of_x, gradient.t() @ x, column_sums(gradient)


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
