"""Access to the layers of networks, as kernels of several devices need it."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor, nn

from darkclr_ray.networks.autoencoder import Autoencoder
from darkclr_ray.networks.encoder import Encoder


def layers_of(autoencoder: Autoencoder) -> list[tuple[nn.Linear, nn.Module | None]]:
    """Return all linear layers from input to output, each with the activation after it or None."""
    result: list[tuple[nn.Linear, nn.Module | None]] = []
    for stack in (autoencoder.encoder, autoencoder.decoder):
        modules = list(stack)
        for linear, after in zip(modules[::2], [*modules[1::2], None], strict=True):
            assert isinstance(linear, nn.Linear)
            result.append((linear, after))
    return result


def head(encoder: Encoder, pooled: Tensor, linear: Callable[[Tensor, Tensor, Tensor], Tensor]) -> Tensor:
    """Return the encoder's head on pooled representations, float32 (B, d_z), with products by ``linear``."""
    dtype, z = encoder.matmul_dtype, pooled
    for layer in encoder.head:
        if isinstance(layer, nn.Linear):
            z = linear(z.to(dtype), layer.weight.to(dtype), layer.bias.to(dtype))
        else:
            z = layer(z)
    return z.float()
