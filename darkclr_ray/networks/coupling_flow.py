"""Invertible network of affine coupling blocks (Dinh et al., arXiv:1605.08803; Buss et al., SciPost Phys. 15, 168)."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class CouplingFlow(nn.Module):
    """Map vectors to a standard normal distribution by affine coupling blocks, each followed by a fixed rotation.

    The first half of a vector determines scale and shift of the second half: one hidden layer with ReLU, whose outputs
    are multiplied by 0.1; the log scale is limited to (-2, 2) by a hyperbolic tangent. Output layers start at zero, so
    that the initial map is a rotation. The rotations of all coordinates are drawn from the Haar measure.

    Args:
        dimension: dimension D of the vectors, at least 2.
        blocks: number of blocks.
        hidden: width of the hidden layers.
        seed: seed of the initial weights and of the rotations.
    """

    rotations: Tensor

    def __init__(self, dimension: int, blocks: int, hidden: int, *, seed: int = 0) -> None:
        super().__init__()
        self.first = dimension // 2
        second = dimension - self.first
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.networks = nn.ModuleList(block_network(self.first, hidden, 2 * second) for _ in range(blocks))
            self.register_buffer("rotations", random_rotations(blocks, dimension))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return latent vectors (B, D) of vectors (B, D), and the logarithm of the Jacobian's determinant, (B,)."""
        log_determinant = torch.zeros_like(x[:, 0])
        for network, rotation in zip(self.networks, self.rotations, strict=True):
            first, second = x[:, : self.first], x[:, self.first :]
            log_scale, shift = self.scale_and_shift(network, first)
            x = torch.cat([first, second * log_scale.exp() + shift], dim=1) @ rotation
            log_determinant = log_determinant + log_scale.sum(1)
        return x, log_determinant

    def inverse(self, z: Tensor) -> Tensor:
        """Return the vectors (B, D) of latent vectors (B, D)."""
        for network, rotation in zip(reversed(self.networks), reversed(self.rotations), strict=True):
            z = z @ rotation.T
            first, second = z[:, : self.first], z[:, self.first :]
            log_scale, shift = self.scale_and_shift(network, first)
            z = torch.cat([first, (second - shift) * (-log_scale).exp()], dim=1)
        return z

    @staticmethod
    def scale_and_shift(network: nn.Module, first: Tensor) -> tuple[Tensor, Tensor]:
        """Return log scale and shift, (B, D - D // 2) each, of a block."""
        raw, shift = (0.1 * network(first)).chunk(2, dim=1)
        return 2.0 * torch.tanh(raw), shift


def block_network(inputs: int, hidden: int, outputs: int) -> nn.Sequential:
    """Return the network of a block, whose outputs are initially zero."""
    last = nn.Linear(hidden, outputs)
    nn.init.zeros_(last.weight)
    nn.init.zeros_(last.bias)
    return nn.Sequential(nn.Linear(inputs, hidden), nn.ReLU(), last)


def random_rotations(count: int, dimension: int) -> Tensor:
    """Return rotation matrices, float32 (count, dimension, dimension), from the Haar measure, by torch's generator."""
    orthogonal: Tensor
    orthogonal, triangular = torch.linalg.qr(torch.randn(count, dimension, dimension, dtype=torch.float64))
    orthogonal = orthogonal * triangular.diagonal(dim1=1, dim2=2).sign()[:, None]
    orthogonal[:, :, 0] *= torch.linalg.det(orthogonal).sign()[:, None]
    return orthogonal.float()
