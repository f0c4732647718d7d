"""Losses of the methods beside DarkCLR: against closed forms, enumeration and torch's distributions."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest
import torch
from torch.distributions import Normal, kl_divergence

from darkclr_ray.losses.contrastive_divergence import contrastive_divergence
from darkclr_ray.losses.dirichlet import dirichlet_prior, normal_divergence, pixel_divergence
from darkclr_ray.losses.wasserstein import wasserstein


def test_either_set_of_energies_can_be_squared():
    data, chain = torch.tensor([1.0, 2.0]), torch.tensor([3.0])
    assert float(contrastive_divergence(data, chain, 0.5, "both")) == pytest.approx(1.5 - 3 + 0.5 * (2.5 + 9))
    assert float(contrastive_divergence(data, chain, 0.5, "chains")) == pytest.approx(1.5 - 3 + 0.5 * 9)
    assert float(contrastive_divergence(data, chain, 0.0, "chains")) == pytest.approx(-1.5)


def test_the_prior_has_the_moments_of_the_dirichlet_distribution_in_the_softmax_basis():
    alphas = np.array([60.0, 30.0, 90.0])  # the approximation is good for large alphas
    mean, variance = dirichlet_prior(torch.from_numpy(alphas))
    logarithms = np.log(np.random.default_rng(1).dirichlet(alphas, 200_000))
    centred = logarithms - logarithms.mean(1, keepdims=True)
    np.testing.assert_allclose(mean, centred.mean(0), atol=0.01)
    np.testing.assert_allclose(variance, centred.var(0), rtol=0.04)


def test_published_prior_of_two_mixtures():
    mean, variance = dirichlet_prior(torch.tensor([0.9, 0.9]))
    assert mean.tolist() == [0.0, 0.0]
    assert variance.tolist() == pytest.approx([0.5556] * 2, abs=1e-4)


def test_divergences():
    random = torch.Generator().manual_seed(2)
    mean, log_variance = torch.randn(2, 5, 3, generator=random)
    prior_mean, prior_variance = torch.randn(3, generator=random), torch.rand(3, generator=random) + 0.1
    expected = kl_divergence(Normal(mean, (0.5 * log_variance).exp()), Normal(prior_mean, prior_variance.sqrt()))
    found = normal_divergence(mean, log_variance, prior_mean, prior_variance)
    np.testing.assert_allclose(found, expected.sum(1), rtol=1e-4)
    image, other = torch.tensor([[0.7, 0.3, 0.0]]), torch.tensor([[0.2, 0.5, 0.3]])
    expected = 0.7 * np.log(0.7 / 0.2) + 0.3 * np.log(0.3 / 0.5)
    assert float(pixel_divergence(image, other.log())) == pytest.approx(expected, rel=1e-5)


def test_the_wasserstein_distance_is_that_of_the_best_of_all_pairings():
    x, y = torch.randn(2, 6, 3, generator=torch.Generator().manual_seed(3))
    costs = torch.cdist(x, y).square()
    expected = min(float(costs[range(6), order].mean()) for order in permutations(range(6)))
    assert float(wasserstein(x, y)) == pytest.approx(expected, rel=1e-5)
    assert float(wasserstein(x, x[[3, 1, 5, 0, 2, 4]])) == 0.0


def test_the_wasserstein_distance_in_closed_form():
    random = torch.Generator().manual_seed(4)
    x, y = torch.randn(2, 300, 1, generator=random)
    in_order = (x.sort(0).values - y.sort(0).values).square().mean()  # the best pairing on a line
    assert float(wasserstein(x, y)) == pytest.approx(float(in_order), rel=1e-4)
    x, shift = torch.randn(50, 4, generator=random), torch.tensor([1.0, -2.0, 0.5, 3.0])
    assert float(wasserstein(x, x + shift)) == pytest.approx(float(shift.square().sum()), rel=1e-5)


def test_the_gradient_of_the_wasserstein_distance():
    x, y = torch.randn(2, 8, 2, generator=torch.Generator().manual_seed(5), dtype=torch.float64)
    assert torch.autograd.gradcheck(lambda y: wasserstein(x, y), (y.requires_grad_(),))
    with pytest.raises(ValueError, match="one size"):
        wasserstein(x, y[:5])
