"""CPU kernels in C, compiled at first use.

A vector register holds one feature of 16 rows, so that layers of any width fill it.
"""

from __future__ import annotations

from ctypes import CDLL

from darkclr_ray.kernels.cpu import autoencoder, encoder
from darkclr_ray.kernels.implementation import Implementation
from darkclr_ray.networks.autoencoder import Autoencoder
from darkclr_ray.networks.encoder import Encoder


def named(kernels: CDLL | None) -> str | None:
    """Return the name of compiled kernels for records, or None if there are none."""
    if kernels is None:
        return None
    return "C with AMX" if hasattr(kernels, "may_multiply") else "C"


IMPLEMENTATIONS = (
    Implementation(Encoder, {"forward": encoder.encode}, lambda network: named(encoder.supported(network))),
    Implementation(
        Autoencoder,
        {"energy": autoencoder.energy, "potential": autoencoder.potential, "walk": autoencoder.walk},
        lambda network: named(autoencoder.supported(network)),
    ),
)
