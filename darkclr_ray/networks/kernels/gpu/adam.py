"""Adam on a GPU for networks of many small tensors: one kernel updates all parameters, stored contiguously.

The arithmetic is that of torch's fused Adam; the state of that optimiser is read and updated.
"""

from __future__ import annotations

import math
import sys

import torch
import triton
import triton.language as tl
from torch import Tensor

VALUES = 1024
"""Number of parameters per program."""
TINY = sys.float_info.min
"""Value used instead of a beta of 0, which has no logarithm; all its powers are negligible."""


@triton.jit
def _adam(parameters, gradients, first, second, taken, diverged_flag, count, rate, epsilon,
          BETA1: tl.constexpr, BETA2: tl.constexpr, LOG1: tl.constexpr, LOG2: tl.constexpr,
          VALUES: tl.constexpr):  # fmt: skip
    at = tl.program_id(0) * VALUES + tl.arange(0, VALUES)
    there = at < tl.where(tl.load(diverged_flag) == 0, count, 0)
    # 1 - beta^t in float64: in float32 its first values would be off in the fourth digit
    t = tl.load(taken).to(tl.float64)
    bias1 = (1.0 - tl.exp(t * LOG1)).to(tl.float32)
    bias2 = (1.0 - tl.exp(t * LOG2)).to(tl.float32)
    g = tl.load(gradients + at, mask=there, other=0.0)
    m = tl.load(first + at, mask=there, other=0.0) * BETA1 + (1 - BETA1) * g
    v = tl.load(second + at, mask=there, other=0.0) * BETA2 + (1 - BETA2) * g * g
    p = tl.load(parameters + at, mask=there, other=0.0)
    tl.store(first + at, m, mask=there)
    tl.store(second + at, v, mask=there)
    tl.store(parameters + at, p - rate / bias1 * m / (tl.sqrt(v) / tl.sqrt(bias2) + epsilon), mask=there)


class FlatAdam:
    """Run the steps of an Adam that `fits`; its parameters and its state become views of flat tensors.

    Args:
        optimizer: the Adam optimiser; its state is kept.
        stuck: float32 (); while it is not 0, a step changes nothing.
    """

    def __init__(self, optimizer: torch.optim.Optimizer, diverged_flag: Tensor) -> None:
        (self.group,) = optimizer.param_groups
        self.own: list[Tensor] = self.group["params"]
        self.diverged_flag = diverged_flag
        sizes = [parameter.numel() for parameter in self.own]
        self.flat, self.first, self.second = (torch.zeros(sum(sizes), device=diverged_flag.device) for _ in range(3))
        known = next((state["step"] for state in optimizer.state.values() if "step" in state), 0.0)
        self.taken = torch.zeros_like(diverged_flag) + known
        parts = (torch.split(buffer, sizes) for buffer in (self.flat, self.first, self.second))
        for parameter, values, first, second in zip(self.own, *parts, strict=True):
            state = optimizer.state[parameter]
            moved = {"exp_avg": first.view_as(parameter), "exp_avg_sq": second.view_as(parameter)}
            for name, place in moved.items():
                if name in state:
                    place.copy_(state[name])
            state.update(moved, step=self.taken)
            values.view_as(parameter).copy_(parameter.detach())
            parameter.data = values.view_as(parameter)

    @staticmethod
    def fits(optimizer: torch.optim.Optimizer) -> bool:
        """Return whether the optimiser is a plain Adam over one group of float32 parameters on a GPU."""
        groups = optimizer.param_groups
        return (
            type(optimizer) is torch.optim.Adam
            and len(groups) == 1
            and not (groups[0]["weight_decay"] or groups[0]["amsgrad"] or groups[0]["maximize"])
            and all(p.is_cuda and p.dtype == torch.float32 for p in groups[0]["params"])
        )

    @torch.no_grad()
    def step(self) -> None:
        """Update the parameters with their gradients; parameters without a gradient are unchanged."""
        gradients = torch.cat([(torch.zeros_like(p) if p.grad is None else p.grad).flatten() for p in self.own])
        self.taken.add_(self.diverged_flag == 0)
        beta1, beta2 = map(float, self.group["betas"])
        _adam[(triton.cdiv(len(self.flat), VALUES),)](
            self.flat, gradients, self.first, self.second, self.taken, self.diverged_flag, len(self.flat),
            float(self.group["lr"]), float(self.group["eps"]), BETA1=beta1, BETA2=beta2, LOG1=math.log(beta1 or TINY),
            LOG2=math.log(beta2 or TINY), VALUES=VALUES,
        )  # fmt: skip
