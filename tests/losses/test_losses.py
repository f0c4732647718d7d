"""Losses against closed forms and loops over jets written by hand."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from darkclr_ray.losses.anomaly_contrastive import anomaly_contrastive
from darkclr_ray.losses.contrastive_divergence import contrastive_divergence
from darkclr_ray.losses.norm_penalty import norm_penalty
from darkclr_ray.losses.nt_xent import nt_xent
from darkclr_ray.losses.reconstruction import squared_error
from darkclr_ray.losses.similarity import similarities


def similarity(a: Tensor, b: Tensor) -> float:
    return float(a @ b) / math.sqrt(float(a @ a) * float(b @ b))


def eq_3(anchor: torch.Tensor, positive: torch.Tensor, anomalous: torch.Tensor, temperature: float) -> torch.Tensor:
    return anomaly_contrastive(*similarities(torch.stack([anchor, positive, anomalous])), temperature)


def test_anomaly_contrastive_is_eq_3_jet_by_jet() -> None:
    z, positive, anomalous = torch.randn(3, 7, 5, dtype=torch.float64)
    terms = [
        -math.log(math.exp((similarity(z[i], positive[i]) - similarity(z[i], anomalous[i])) / 0.3)) for i in range(7)
    ]
    loss = eq_3(z, positive, anomalous, 0.3)
    assert float(loss) == pytest.approx(sum(terms) / 7)
    # Cosine similarities do not see lengths.
    assert float(eq_3(3 * z, positive / 2, anomalous, 0.3)) == pytest.approx(float(loss))


def test_anomaly_contrastive_costs_no_pairs() -> None:
    """Ten thousand jets: (2N, 2N, d) numbers would be 25 GB."""
    z = torch.randn(10_000, 16)
    assert float(eq_3(z, z, -z, 1.0)) == pytest.approx(-2.0)


def test_norm_penalty() -> None:
    z = torch.randn(9, 4)
    assert float(norm_penalty(z)) == pytest.approx(sum(math.sqrt(float(row @ row)) for row in z) / 9)
    zero = torch.zeros(2, 3, requires_grad=True)
    norm_penalty(zero).backward()
    assert zero.grad is not None
    assert zero.grad.isfinite().all()


def slow_nt_xent(first: Tensor, second: Tensor, temperature: float) -> float:
    views = [*first, *second]
    total = 0.0
    for i, view in enumerate(views):
        partner = views[(i + len(first)) % len(views)]
        others = sum(math.exp(similarity(view, other) / temperature) for k, other in enumerate(views) if k != i)
        total -= math.log(math.exp(similarity(view, partner) / temperature) / others)
    return total / len(views)


@pytest.mark.parametrize("jets", [1, 2, 6])
def test_nt_xent_is_the_double_loop(jets: int) -> None:
    first, second = torch.randn(2, jets, 4, dtype=torch.float64)
    assert float(nt_xent(first, second, 0.2)) == pytest.approx(slow_nt_xent(first, second, 0.2), abs=1e-12)


def test_reconstruction_is_the_mean_over_dimensions() -> None:
    z, reconstruction = torch.randn(2, 5, 8)
    slow = [
        sum((float(a) - float(b)) ** 2 for a, b in zip(x, y, strict=True)) / 8
        for x, y in zip(z, reconstruction, strict=True)
    ]
    torch.testing.assert_close(squared_error(z, reconstruction), torch.tensor(slow))
    order = squared_error(z, reconstruction).argsort()
    assert torch.equal(order, (z - reconstruction).norm(dim=1).argsort())


def test_contrastive_divergence_has_the_gradient_of_eq_12() -> None:
    """For E = theta x^2 / 2: gradient <x^2>_data / 2 - <x^2>_chain / 2, plus that of gamma (<E+^2> + <E-^2>)."""
    data, chain = torch.randn(2, 50, dtype=torch.float64)
    theta = torch.tensor(1.7, dtype=torch.float64, requires_grad=True)
    for penalty in (0.0, 0.4):
        loss = contrastive_divergence(theta * data**2 / 2, theta * chain**2 / 2, penalty)
        (gradient,) = torch.autograd.grad(loss, theta)
        expected = (data**2).mean() / 2 - (chain**2).mean() / 2
        expected = expected + penalty * 2 * 1.7 * ((data**4).mean() + (chain**4).mean()) / 4
        assert float(gradient) == pytest.approx(float(expected))
