"""GPU kernels in Triton; importers of this package must check `available.has_kernels` first."""

from __future__ import annotations

from darkclr_ray.kernels.gpu import autoencoder, encoder
from darkclr_ray.kernels.implementation import Implementation
from darkclr_ray.networks.autoencoder import Autoencoder
from darkclr_ray.networks.encoder import Encoder

IMPLEMENTATIONS = (
    Implementation(Encoder, {"forward": encoder.encode}, lambda network: "Triton"),
    Implementation(
        Autoencoder,
        {"forward": autoencoder.reconstruct, "potential": autoencoder.potential, "walk": autoencoder.walk},
        lambda network: "Triton",
    ),
)
