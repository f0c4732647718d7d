"""The autoencoder's energy and its potential, by PyTorch."""

from __future__ import annotations

import pytest
import torch

from darkclr_ray.networks.autoencoder import ACTIVATIONS, Autoencoder
from darkclr_ray.settings import NAESettings


@pytest.mark.parametrize("activation", sorted(ACTIVATIONS))
def test_gradient_of_the_potential_is_that_of_finite_differences(activation: str) -> None:
    settings = NAESettings(activation=activation, hidden=(6,))  # type: ignore[arg-type]
    autoencoder = Autoencoder(5, settings).double()
    z = torch.randn(4, 5, dtype=torch.float64)
    values, gradients = autoencoder.potential(z)
    torch.testing.assert_close(values, (z - autoencoder(z)).square().sum(1))
    for dimension in range(5):
        step = torch.zeros(5, dtype=torch.float64)
        step[dimension] = 1e-6
        slope = (autoencoder.potential(z + step)[0] - autoencoder.potential(z - step)[0]) / 2e-6
        torch.testing.assert_close(gradients[:, dimension], slope, rtol=1e-6, atol=1e-7)


def test_bfloat16_products_are_close() -> None:
    exact, rough = (Autoencoder(64, NAESettings(), matmul_dtype=dtype) for dtype in (torch.float32, torch.bfloat16))
    z = torch.randn(100, 64)
    for a, b in zip(rough.potential(z), exact.potential(z), strict=True):
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
