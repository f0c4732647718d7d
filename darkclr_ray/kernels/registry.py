"""Registry of kernels: select the implementation of a network's methods."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Literal

import torch
from torch import nn

from darkclr_ray.kernels import cpu
from darkclr_ray.kernels.available import has_kernels
from darkclr_ray.kernels.implementation import Implementation
from darkclr_ray.networks.autoencoder import Autoencoder
from darkclr_ray.networks.encoder import Encoder

Kernels = Literal["auto", "off"]

REFERENCE = Encoder.implementation
"""Name of the implementation in `darkclr_ray.networks`."""


def implementations(device: torch.device) -> Sequence[Implementation]:
    """Return the implementations that are registered for a device and available on this machine."""
    if device.type == "cuda" and has_kernels():
        from darkclr_ray.kernels import gpu  # needs Triton

        return gpu.IMPLEMENTATIONS
    return cpu.IMPLEMENTATIONS if device.type == "cpu" else ()


def use_kernels(module: nn.Module, kernels: Kernels = "auto") -> None:
    """Let the networks in a module use the kernels that support them where they are, or with "off" the reference.

    Call it again when a network was moved to another device or its precision changed.
    """
    for network in module.modules():
        if isinstance(network, Encoder | Autoencoder):
            replaced = {name for name, value in vars(network).items() if isinstance(value, partial)}
            for name in replaced | {"implementation"}:
                vars(network).pop(name, None)
            if kernels == "auto":
                install(network)


def install(network: Encoder | Autoencoder) -> None:
    """Replace methods of a network by the implementation that supports it, if there is one."""
    for implementation in implementations(next(network.parameters()).device):
        name = implementation.name(network) if isinstance(network, implementation.network) else None
        if name is not None:
            network.implementation = name
            for method, function in implementation.methods.items():
                setattr(network, method, partial(function, network))


def implementations_of(module: nn.Module) -> dict[str, str]:
    """Return the name of the implementation of each kind of network in a module.

    >>> from darkclr_ray.settings import EncoderSettings
    >>> implementations_of(Encoder(EncoderSettings()))
    {'encoder': 'PyTorch'}
    """
    networks = [part for part in module.modules() if isinstance(part, Encoder | Autoencoder)]
    return {type(network).__name__.lower(): network.implementation for network in networks}
