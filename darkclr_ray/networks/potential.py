"""The autoencoder as a potential for Langevin chains: value and gradient by hand, without autograd.

U(z) = ||z - z'(z)||^2 and its gradient 2 (1 - J^T) (z - z'), J = dz'/dz: a chain of matrix products whose weights are
constant along a chain of steps, so they are cast once.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from darkclr_ray.networks.activations import NO_PARAMETER
from darkclr_ray.networks.autoencoder import Autoencoder


class ReconstructionPotential:
    """The squared error summed over dimensions (d_z times the energy) of an autoencoder as it is now.

    Calling it with z, float32 (B, d_z), gives values (B,) and gradients (B, d_z), both float32. Later changes of the
    autoencoder's weights may or may not be seen: make a new one for every chain.
    """

    def __init__(self, autoencoder: Autoencoder) -> None:
        self.products = autoencoder.products
        self.activation = autoencoder.activation
        self.layers: list[tuple[Tensor, Tensor, Tensor | None]] = []
        for stack in (autoencoder.encoder, autoencoder.decoder):
            modules = list(stack)
            for layer, after in zip(modules[::2], [*modules[1::2], None], strict=True):
                assert isinstance(layer, nn.Linear)
                slope = None
                if after is not None:
                    slope = next((p.detach() for p in after.parameters()), NO_PARAMETER).to(self.products)
                weight, bias = layer.weight.detach(), layer.bias.detach()
                self.layers.append((weight.to(self.products), bias.to(self.products), slope))

    @torch.no_grad()
    def __call__(self, z: Tensor) -> tuple[Tensor, Tensor]:
        before: list[Tensor] = []
        x = z.to(self.products)
        for weight, bias, slope in self.layers:
            x = torch.addmm(bias, x, weight.t())
            before.append(x)
            if slope is not None:
                x = self.activation.function(x, slope)
        residual = z - x
        gradient = residual.to(self.products)
        for (weight, _, slope), x in zip(reversed(self.layers), reversed(before), strict=True):
            if slope is not None:
                gradient = self.activation.backward(gradient, x, slope)
            gradient = gradient @ weight
        return residual.square().sum(1), 2 * (residual - gradient)
