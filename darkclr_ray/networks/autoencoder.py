"""Autoencoder of Sec. 4, whose reconstruction error is the energy of the normalised autoencoder."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import pairwise

import torch
from torch import Tensor, nn

from darkclr_ray.losses.reconstruction import squared_error
from darkclr_ray.networks.activations import ACTIVATIONS
from darkclr_ray.networks.kernels.cpu.autoencoder import CompiledAutoencoder, compiled_autoencoder, squared_errors
from darkclr_ray.networks.matmul import aligned, cast_together
from darkclr_ray.networks.matmul import linear as product
from darkclr_ray.networks.precision import product_type
from darkclr_ray.settings import NAESettings


class Autoencoder(nn.Module):
    """Fully connected autoencoder d_z -> 128 -> 64 -> 32 -> 16 -> 8 -> 3 -> 8 -> ... -> 128 -> d_z (Sec. 4).

    Hidden layers are followed by an activation; bottleneck and output are linear.

    Args:
        d_z: dimension of the representations.
        settings: widths, bottleneck and activation.
        seed: seed of the initial weights; the same seed gives the same weights on every machine.
        matmul_dtype: dtype of the large matrix products, float32 or bfloat16. Representations, weights and energies
            are float32 in either case.
    """

    def __init__(
        self, d_z: int, settings: NAESettings, *, seed: int = 0, matmul_dtype: torch.dtype = torch.float32
    ) -> None:
        super().__init__()
        self.d_z = d_z
        self.matmul_dtype = matmul_dtype
        self.activation = ACTIVATIONS[settings.activation]
        hidden = settings.hidden
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.encoder = self._stack((d_z, *hidden, settings.bottleneck))
            self.decoder = self._stack((settings.bottleneck, *reversed(hidden), d_z))
        self._compiled: CompiledAutoencoder | None = None

    def _stack(self, widths: tuple[int, ...]) -> nn.Sequential:
        layers: list[nn.Module] = []
        for before, after in pairwise(widths):
            layers += [nn.Linear(before, after), self.activation.module()]
        return nn.Sequential(*layers[:-1])

    def layers(self) -> Iterator[tuple[nn.Linear, nn.Module | None]]:
        """Yield all linear layers from input to output, each with the activation after it or None."""
        for stack in (self.encoder, self.decoder):
            modules = list(stack)
            for linear, after in zip(modules[::2], [*modules[1::2], None], strict=True):
                assert isinstance(linear, nn.Linear)
                yield linear, after

    @contextmanager
    def frozen_weights(self) -> Iterator[None]:
        """Context in which the parameters do not change, so that CPU kernels can use one copy of them."""
        self._compiled = compiled_autoencoder(self)
        try:
            yield
        finally:
            self._compiled = None

    def compiled(self) -> CompiledAutoencoder | None:
        """Return the autoencoder with its current weights for CPU kernels, or None if there are none."""
        return self._compiled or compiled_autoencoder(self)

    def forward(self, z: Tensor) -> Tensor:
        """Return reconstructions z' of scaled representations z: float32 (B, d_z) -> (B, d_z)."""
        layers = list(self.layers())
        parameters: Sequence[Tensor] = [
            *(linear.weight for linear, _ in layers),
            *(linear.bias for linear, _ in layers),
            *(slope_of(after, linear) for linear, after in layers),
        ]
        if z.is_cuda:
            parameters = cast_together(parameters, self.matmul_dtype)
        count = len(layers)
        weights, biases, slopes = parameters[:count], parameters[count : 2 * count], parameters[2 * count :]
        if z.is_cuda:
            weights, biases = aligned(weights, biases)
        x = z
        for (_, after), weight, bias, slope in zip(layers, weights, biases, slopes, strict=True):
            dtype = product_type(self.matmul_dtype, x, weight)
            x = product(x.to(dtype), weight.to(dtype), bias.to(dtype))
            if after is not None:
                x = self.activation.function(x, slope.to(dtype))
        return x.to(z.dtype)

    def energy(self, z: Tensor) -> Tensor:
        """Return the squared error per dimension (Eq. 8) of scaled representations (B, d_z): float32 (B,)."""
        compiled = None if z.requires_grad else self.compiled()
        if compiled is not None:
            return squared_errors(compiled, z) / self.d_z
        return squared_error(z, self(z))


def slope_of(activation: nn.Module | None, linear: nn.Linear) -> Tensor:
    """Return the slope of a PReLU, (1,), or a placeholder tensor for other activations."""
    return linear.bias[:1] if activation is None else next(activation.parameters(), linear.bias[:1])
