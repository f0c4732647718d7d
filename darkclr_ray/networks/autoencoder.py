"""Autoencoder of Sec. 4, whose reconstruction error is the energy of the normalised autoencoder."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import torch
from torch import Tensor, nn

from darkclr_ray.langevin import LastStep, from_energy, step_by_step
from darkclr_ray.losses.reconstruction import squared_error
from darkclr_ray.networks.precision import products_in
from darkclr_ray.settings import NAESettings

ACTIVATIONS: dict[str, Callable[[], nn.Module]] = {
    "prelu": nn.PReLU,
    "relu": nn.ReLU,
    "gelu": nn.GELU,
    "silu": nn.SiLU,
}


class Autoencoder(nn.Module):
    """Fully connected autoencoder d_z -> 128 -> 64 -> 32 -> 16 -> 8 -> 3 -> 8 -> ... -> 128 -> d_z (Sec. 4).

    Hidden layers are followed by an activation; bottleneck and output are linear.

    Args:
        d_z: dimension of the representations.
        settings: widths, bottleneck and activation.
        seed: seed of the initial weights; the same seed gives the same weights on every machine.
        matmul_dtype: dtype of the matrix products, float32 or bfloat16. Representations, weights and energies are
            float32 in either case.

    Attributes:
        implementation: name of the implementation of energies and chains; see `darkclr_ray.kernels`.
    """

    implementation = "PyTorch"

    def __init__(
        self, d_z: int, settings: NAESettings, *, seed: int = 0, matmul_dtype: torch.dtype = torch.float32
    ) -> None:
        super().__init__()
        self.d_z = d_z
        self.matmul_dtype = matmul_dtype
        self.activation = settings.activation
        hidden = settings.hidden
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.encoder = self._stack((d_z, *hidden, settings.bottleneck))
            self.decoder = self._stack((settings.bottleneck, *reversed(hidden), d_z))

    def _stack(self, widths: tuple[int, ...]) -> nn.Sequential:
        layers: list[nn.Module] = []
        for before, after in pairwise(widths):
            layers += [nn.Linear(before, after), ACTIVATIONS[self.activation]()]
        return nn.Sequential(*layers[:-1])

    def forward(self, z: Tensor) -> Tensor:
        """Return reconstructions z' of scaled representations z: float32 (B, d_z) -> (B, d_z)."""
        with products_in(self.matmul_dtype, z.device):
            reconstruction: Tensor = self.decoder(self.encoder(z))
            return reconstruction.to(z.dtype)

    def energy(self, z: Tensor) -> Tensor:
        """Return the squared error per dimension (Eq. 8) of scaled representations (B, d_z): float32 (B,)."""
        return squared_error(z, self(z))

    def potential(self, z: Tensor) -> tuple[Tensor, Tensor]:
        """Return the potential of Langevin chains, d_z times the energy, (B,), and its gradient, (B, d_z)."""
        return from_energy(lambda z: self.d_z * self.energy(z))(z)

    def walk(self, z: Tensor, *, step_size: float, noise: float, steps: int, generator: torch.Generator) -> LastStep:
        """Move chains z, float32 (B, d_z), in place by ``steps`` Langevin steps (Eq. 10); see `LangevinKernel`."""
        return step_by_step(self.potential, z, step_size=step_size, noise=noise, steps=steps, generator=generator)
