"""Activations of the autoencoder, each with its derivative for gradients that are computed without autograd."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class Activation(NamedTuple):
    """Activation with its name, its module, its function and the product of its derivative with a gradient.

    The function takes (values, parameter). The parameter is PReLU's slope for negative values; other activations ignore
    it.
    """

    name: str
    module: Callable[[], nn.Module]
    function: Callable[[Tensor, Tensor], Tensor]
    backward: Callable[[Tensor, Tensor, Tensor], Tensor]


ACTIVATIONS: dict[str, Activation] = {
    "prelu": Activation(
        "prelu",
        nn.PReLU,
        F.prelu,
        # Two fast passes instead of a slow torch.where; the slope stays on its device.
        lambda gradient, x, slope: torch.ops.aten.threshold_backward(gradient, x, 0.0).lerp_(gradient, slope),
    ),
    "relu": Activation(
        "relu",
        nn.ReLU,
        lambda x, _: F.relu(x),
        lambda gradient, x, _: torch.ops.aten.threshold_backward(gradient, x, 0.0),
    ),
    "gelu": Activation(
        "gelu", nn.GELU, lambda x, _: F.gelu(x), lambda gradient, x, _: torch.ops.aten.gelu_backward(gradient, x)
    ),
    "silu": Activation(
        "silu", nn.SiLU, lambda x, _: F.silu(x), lambda gradient, x, _: torch.ops.aten.silu_backward(gradient, x)
    ),
}
