"""Dirichlet prior of a variational autoencoder in its normal approximation (Dillon et al., SciPost Phys. 11, 061)."""

from __future__ import annotations

import torch
from torch import Tensor


def dirichlet_prior(alphas: Tensor) -> tuple[Tensor, Tensor]:
    """Return mean and variance, (R,) each, of the normal distribution whose softmax approximates Dirichlet(alphas).

    This is the Laplace approximation in the softmax basis (Srivastava and Sutton, arXiv:1703.01488, Eq. 2).

    >>> [part.tolist() for part in dirichlet_prior(torch.tensor([0.5, 0.5]))]
    [[0.0, 0.0], [1.0, 1.0]]
    """
    count = len(alphas)
    mean = alphas.log() - alphas.log().mean()
    variance = (1 - 2 / count) / alphas + (1 / alphas).sum() / count**2
    return mean, variance


def normal_divergence(mean: Tensor, log_variance: Tensor, prior_mean: Tensor, prior_variance: Tensor) -> Tensor:
    """Return the Kullback-Leibler divergence (B,) of independent normal distributions from those of the prior.

    Args:
        mean, log_variance: (B, R) of each jet's distribution.
        prior_mean, prior_variance: (R,) of the prior.

    >>> unit = torch.ones(1)
    >>> normal_divergence(torch.tensor([[2.0]]), torch.zeros(1, 1), torch.zeros(1), unit)
    tensor([2.])
    """
    ratio = log_variance.exp() / prior_variance
    distance = (mean - prior_mean).square() / prior_variance
    divergence: Tensor = 0.5 * (ratio + distance - 1 - ratio.log()).sum(1)
    return divergence


def pixel_divergence(images: Tensor, log_probabilities: Tensor) -> Tensor:
    """Return the Kullback-Leibler divergence (B,) of images that sum to 1 from reconstructed ones, (B, D) each.

    >>> pixel_divergence(torch.tensor([[0.5, 0.5, 0.0]]), torch.tensor([[0.5, 0.25, 0.25]]).log())
    tensor([0.3466])
    """
    divergence: Tensor = (torch.special.xlogy(images, images) - images * log_probabilities).sum(1)
    return divergence
