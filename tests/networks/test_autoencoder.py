"""The hand-written potential against autograd and finite differences."""

from __future__ import annotations

import pytest
import torch
from darkclr_ray.networks.activations import ACTIVATIONS
from darkclr_ray.networks.potential import ReconstructionPotential

from darkclr_ray.langevin import from_energy
from darkclr_ray.networks.autoencoder import Autoencoder
from darkclr_ray.settings import NAESettings


@pytest.mark.parametrize("activation", sorted(ACTIVATIONS))
@pytest.mark.parametrize("batch", [1, 33])
def test_potential_is_the_energy_with_its_gradient_by_autograd(activation: str, batch: int) -> None:
    autoencoder = Autoencoder(20, NAESettings(activation=activation, hidden=(16, 9)))  # type: ignore[arg-type]
    z = 2 * torch.randn(batch, 20)
    values, gradients = ReconstructionPotential(autoencoder)(z)
    torch.testing.assert_close(values, 20 * autoencoder.energy(z))
    expected_values, expected = from_energy(lambda x: 20 * autoencoder.energy(x))(z)
    torch.testing.assert_close(values, expected_values)
    torch.testing.assert_close(gradients, expected)


def test_gradient_is_that_of_finite_differences() -> None:
    settings = NAESettings(activation="silu", hidden=(6,))
    potential = ReconstructionPotential(Autoencoder(5, settings, matmul_dtype=torch.float64).double())
    z = torch.randn(4, 5, dtype=torch.float64)
    _, gradients = potential(z)
    for dimension in range(5):
        step = torch.zeros(5, dtype=torch.float64)
        step[dimension] = 1e-6
        slope = (potential(z + step)[0] - potential(z - step)[0]) / 2e-6
        torch.testing.assert_close(gradients[:, dimension], slope, rtol=1e-6, atol=1e-7)


def test_bfloat16_products_are_close() -> None:
    settings = NAESettings()
    exact = ReconstructionPotential(Autoencoder(64, settings))
    rough = ReconstructionPotential(Autoencoder(64, settings, matmul_dtype=torch.bfloat16))
    z = torch.randn(100, 64)
    for a, b in zip(rough(z), exact(z), strict=True):
        assert a.dtype == torch.float32
        assert (a - b).norm() < 0.02 * b.norm()


@pytest.mark.parametrize("activation", sorted(ACTIVATIONS))
def test_an_energy_does_not_depend_on_the_other_rows(activation: str) -> None:
    autoencoder = Autoencoder(64, NAESettings(activation=activation), matmul_dtype=torch.bfloat16)  # type: ignore[arg-type]
    z = torch.randn(2048, 64)
    with torch.no_grad():
        torch.testing.assert_close(autoencoder.energy(z[:5]), autoencoder.energy(z)[:5], rtol=3e-6, atol=0)


def test_shapes_of_the_paper() -> None:
    autoencoder = Autoencoder(512, NAESettings())
    widths = [p.shape[0] for name, p in autoencoder.named_parameters() if name.endswith("weight") and p.ndim == 2]
    assert widths == [128, 64, 32, 16, 8, 3, 8, 16, 32, 64, 128, 512]
    assert autoencoder.energy(torch.zeros(1, 512)).shape == (1,)
