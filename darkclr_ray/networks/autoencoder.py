"""The autoencoder of Sec. 4, whose reconstruction error is the energy of a normalised autoencoder."""

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
    """d_z -> 128 -> 64 -> 32 -> 16 -> 8 -> 3 -> 8 -> ... -> 128 -> d_z with an activation between hidden layers.

    Bottleneck and output are linear.

    Args:
        d_z: dimension of the representations.
        settings: widths, bottleneck and activation.
        seed: of the initial weights; the same seed gives the same weights on every machine.
        matmul_dtype: arithmetic of the large matrix products, float32 or bfloat16. Representations, weights and
            energies are float32 in either case.
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
        """All linear layers from input to output, each with the activation after it, if any."""
        for stack in (self.encoder, self.decoder):
            modules = list(stack)
            for linear, after in zip(modules[::2], [*modules[1::2], None], strict=True):
                assert isinstance(linear, nn.Linear)
                yield linear, after

    @contextmanager
    def frozen_weights(self) -> Iterator[None]:
        """Within, parameters stay what they are: kernels for a CPU get them once."""
        self._compiled = compiled_autoencoder(self)
        try:
            yield
        finally:
            self._compiled = None

    def compiled(self) -> CompiledAutoencoder | None:
        """The autoencoder as it is now, by kernels for a CPU, where they can be had."""
        return self._compiled or compiled_autoencoder(self)

    def forward(self, z: Tensor) -> Tensor:
        """Reconstructions z' of scaled representations: float32 (B, d_z) -> (B, d_z)."""
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
        """Squared error per dimension (Eq. 8), (B,)."""
        compiled = None if z.requires_grad else self.compiled()
        if compiled is not None:
            return squared_errors(compiled, z) / self.d_z
        return squared_error(z, self(z))


def slope_of(activation: nn.Module | None, linear: nn.Linear) -> Tensor:
    """The slope of a PReLU, (1,); something to pass for activations without one, or none at all."""
    return linear.bias[:1] if activation is None else next(activation.parameters(), linear.bias[:1])
