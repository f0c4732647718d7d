"""Networks of the methods beside DarkCLR: sizes, constraints and invertibility."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from darkclr_ray.networks.coupling_flow import CouplingFlow, random_rotations
from darkclr_ray.networks.dirichlet_vae import DirichletVAE
from darkclr_ray.networks.image_autoencoder import ImageAutoencoder
from darkclr_ray.settings import DirichletVAESettings, ImageNAESettings

SMALL = ImageNAESettings.model_validate({"images": {"pixels": 8}, "channels": 3, "hidden": 5})


def images(count, pixels=8):
    return torch.rand(count, pixels**2, generator=torch.Generator().manual_seed(1)) / pixels**2


def effective_weights(network):
    return [module.weight.detach().flatten(1) for module in network.modules() if hasattr(module, "parametrizations")]


def test_the_published_size():
    network = ImageAutoencoder(ImageNAESettings())
    assert sum(weight.numel() for weight in network.parameters()) == pytest.approx(84_000, rel=0.01)
    assert [tuple(weight.shape) for weight in effective_weights(network)][-1] == (8, 9)
    assert network(images(2, 40)).shape == (2, 1600)


def test_latent_vectors_have_length_one_and_energies_are_mean_squares():
    network = ImageAutoencoder(SMALL, seed=1).eval()
    x = images(7)
    with torch.no_grad():
        torch.testing.assert_close(network.encode(x).norm(dim=1), torch.ones(7))
        torch.testing.assert_close(network.energy(x), (network.decode(network.encode(x)) - x).square().mean(1))


def test_spectral_norms_are_one_after_some_passes():
    network = ImageAutoencoder(SMALL, seed=2)
    for _ in range(50):
        network(images(2))
    for weight in effective_weights(network.eval()):
        assert float(torch.linalg.matrix_norm(weight, 2)) == pytest.approx(1.0, abs=0.01)


def test_frozen_weights_are_constants():
    network = ImageAutoencoder(SMALL, seed=3)
    before = {name: value.clone() for name, value in network.state_dict().items()}
    x = images(3).requires_grad_()
    with network.frozen():
        network.energy(x).sum().backward()
    assert x.grad is not None
    assert all(weight.grad is None and weight.requires_grad for weight in network.parameters())
    assert network.training
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())


def test_a_seed_gives_the_same_weights_and_leaves_torch_alone():
    torch.manual_seed(5)
    expected = torch.rand(1)
    torch.manual_seed(5)
    networks = [ImageAutoencoder(SMALL, seed=4) for _ in range(2)]
    networks += [DirichletVAE(DirichletVAESettings(), seed=1)]  # type: ignore[list-item]
    CouplingFlow(4, 2, 3, seed=1)
    assert torch.equal(torch.rand(1), expected)
    for a, b in zip(networks[0].parameters(), networks[1].parameters(), strict=True):
        assert torch.equal(a, b)


def test_pixels_of_the_dirichlet_vae_sum_to_one_and_only_differences_count():
    network = DirichletVAE(DirichletVAESettings(), seed=2).eval()
    z = torch.randn(4, 3, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        torch.testing.assert_close(network.decode(z).exp().sum(1), torch.ones(4))
        torch.testing.assert_close(network.decode(z + 5.0), network.decode(z), atol=1e-5, rtol=1e-5)
        mixture = torch.softmax(z, 1) @ network.decoder.weight.T
        torch.testing.assert_close(network.decode(z).exp(), torch.softmax(mixture, 1))


@pytest.fixture
def flow():
    flow = CouplingFlow(5, 4, 7, seed=1)
    with torch.no_grad():
        for number, weight in enumerate(flow.parameters()):
            weight.add_(torch.randn(weight.shape, generator=torch.Generator().manual_seed(number)))
    return flow.double().requires_grad_(False)


def test_the_flow_is_invertible_and_knows_its_determinant(flow):
    x = torch.randn(6, 5, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    z, log_determinant = flow(x)
    torch.testing.assert_close(flow.inverse(z), x, atol=1e-4, rtol=1e-4)  # rotations are orthogonal in float32
    for row, found in zip(x, log_determinant, strict=True):
        jacobian = torch.autograd.functional.jacobian(lambda v: flow(v[None])[0][0], row)
        assert float(found) == pytest.approx(float(torch.linalg.slogdet(jacobian).logabsdet), abs=1e-6)


def test_the_density_of_the_flow_integrates_to_one():
    flow = CouplingFlow(2, 3, 4, seed=3)
    with torch.no_grad():
        for weight in flow.parameters():
            weight.add_(torch.randn(weight.shape, generator=torch.Generator().manual_seed(4)))
        axis = torch.linspace(-12, 12, 601)
        grid = torch.cartesian_prod(axis, axis)
        z, log_determinant = flow(grid)
        density = (-0.5 * z.square().sum(1) - math.log(2 * math.pi) + log_determinant).exp()
    assert float(density.sum() * (axis[1] - axis[0]) ** 2) == pytest.approx(1.0, abs=0.01)


def test_the_initial_flow_is_a_rotation():
    x = torch.randn(6, 8, generator=torch.Generator().manual_seed(3))
    with torch.no_grad():
        z, log_determinant = CouplingFlow(8, 24, 16)(x)
    torch.testing.assert_close(z.norm(dim=1), x.norm(dim=1))
    assert (log_determinant == 0).all()
    rotations = random_rotations(20, 5).double()
    np.testing.assert_allclose(rotations @ rotations.transpose(1, 2), np.tile(np.eye(5), (20, 1, 1)), atol=1e-6)
    np.testing.assert_allclose(torch.linalg.det(rotations), 1.0, atol=1e-5)
