"""Losses against closed forms and loops over jets written by hand."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from darkclr_ray.losses.anomaly_contrastive import anomaly_contrastive
from darkclr_ray.losses.background_denominator import background_denominator
from darkclr_ray.losses.contrastive_divergence import contrastive_divergence
from darkclr_ray.losses.covariance import squared_covariance
from darkclr_ray.losses.norm_penalty import norm_penalty
from darkclr_ray.losses.nt_xent import nt_xent
from darkclr_ray.losses.reconstruction import squared_error
from darkclr_ray.losses.similarity import similarities
from darkclr_ray.losses.uniformity import uniformity
from darkclr_ray.losses.variance import variance_hinge


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


def unit(rows: Tensor) -> Tensor:
    return rows / rows.norm(dim=1, keepdim=True)


def test_denominator_is_the_double_loop_and_completes_anomalyclr() -> None:
    z, positive, anomalous = torch.randn(3, 6, 4, dtype=torch.float64)
    terms, whole = [], []
    for i in range(6):
        others = [math.exp(similarity(z[i], other[j]) / 0.3) for j in range(6) if j != i for other in (z, positive)]
        numerator = math.exp((similarity(z[i], positive[i]) - similarity(z[i], anomalous[i])) / 0.3)
        terms.append(math.log(sum(others)))
        whole.append(-math.log(numerator / sum(others)))
    found = background_denominator(unit(z), unit(positive), 0.3)
    assert float(found) == pytest.approx(sum(terms) / 6)
    assert float(found + eq_3(z, positive, anomalous, 0.3)) == pytest.approx(sum(whole) / 6)


def test_variance_hinge_dimension_by_dimension() -> None:
    z = torch.randn(50, 4, dtype=torch.float64) * torch.tensor([0.0, 0.3, 1.0, 5.0])
    hinges = []
    for column in z.T.tolist():
        mean = sum(column) / 50
        deviation = math.sqrt(sum((x - mean) ** 2 for x in column) / 49 + 1e-4)
        hinges.append(max(0.0, 1.5 - deviation))
    assert hinges[3] == 0.0
    assert float(variance_hinge(z, 1.5)) == pytest.approx(sum(hinges) / 4)
    constant = torch.ones(5, 3, requires_grad=True)
    variance_hinge(constant).backward()
    assert constant.grad is not None
    assert constant.grad.isfinite().all()


def test_covariance_pair_by_pair() -> None:
    z = torch.randn(30, 5, dtype=torch.float64) @ torch.randn(5, 5, dtype=torch.float64)
    covariance = torch.cov(z.T)
    pairs = sum(float(covariance[i, j]) ** 2 for i in range(5) for j in range(5) if i != j)
    assert float(squared_covariance(z)) == pytest.approx(pairs / 5)
    independent = torch.tensor([[1.0, 1.0], [1.0, -1.0], [-1.0, 1.0], [-1.0, -1.0]])
    assert float(squared_covariance(independent)) == 0.0


def test_uniformity_pair_by_pair() -> None:
    u = unit(torch.randn(9, 3, dtype=torch.float64))
    pairs = [math.exp(-2.0 * math.dist(u[i], u[j]) ** 2) for i in range(9) for j in range(i)]
    assert float(uniformity(u)) == pytest.approx(math.log(sum(pairs) / len(pairs)))
    assert float(uniformity(u[:1].expand(4, 3))) == pytest.approx(0.0)


def test_uniformity_is_smaller_for_evenly_spread_directions() -> None:
    angles = torch.linspace(0.0, 2 * math.pi, 33)[:-1]
    even, half = (torch.stack([(f * angles).cos(), (f * angles).sin()], 1) for f in (1.0, 0.5))
    assert float(uniformity(even)) < float(uniformity(half))
