"""Chains on a Gaussian, whose stationary state is known exactly, discretisation included."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from darkclr_ray.langevin import ChainResult, from_energy, langevin_chain


def gaussian(stiffness: float) -> object:
    return lambda z: (0.5 * stiffness * z.square().sum(1), stiffness * z)


def run(stiffness: float, start: Tensor, **arguments: object) -> ChainResult:
    options = {"step_size": 0.1, "noise": 0.3, "steps": 100, "generator": torch.Generator().manual_seed(1)} | arguments
    return langevin_chain(gaussian(stiffness), start, **options)  # type: ignore[arg-type]


@pytest.mark.parametrize(("step_size", "noise", "stiffness"), [(0.1, 0.3, 1.0), (0.5, 0.02, 3.0), (0.02, 0.2, 5.0)])
def test_stationary_variance(step_size: float, noise: float, stiffness: float) -> None:
    """z <- (1 - lambda k) z + sigma eps is an autoregressive process of variance sigma^2 / (1 - (1 - lambda k)^2)."""
    steps = math.ceil(8 / (step_size * stiffness))
    chain = run(stiffness, torch.zeros(4000, 5), step_size=step_size, noise=noise, steps=steps)
    expected = noise**2 / (1 - (1 - step_size * stiffness) ** 2)
    assert float(chain.end.square().mean()) == pytest.approx(expected, rel=5 * (2 / 20000) ** 0.5)
    assert abs(float(chain.end.mean())) < 5 * (expected / 20000) ** 0.5


def test_descends_as_the_corrected_equation_says() -> None:
    start = torch.full((3, 2), 2.0)
    chain = run(1.0, start, noise=0.0, steps=4)
    torch.testing.assert_close(chain.end, start * 0.9**4)
    torch.testing.assert_close(chain.displacement, torch.tensor(2.0 * (1 - 0.9**4)))
    assert torch.equal(start, torch.full((3, 2), 2.0))
    assert chain.acceptance.isnan()


def test_keyed_noise() -> None:
    start = torch.zeros(5, 3)
    assert torch.equal(run(1.0, start).end, run(1.0, start).end)
    assert not torch.equal(run(1.0, start).end, run(1.0, start, generator=torch.Generator().manual_seed(2)).end)


def test_acceptance_against_the_metropolis_hastings_formula() -> None:
    """One step from a known place: the ratio of densities and proposal kernels, written out in double precision."""
    step_size, noise, k = 0.4, 0.5, 1.5
    start = torch.randn(2000, 3, dtype=torch.float64)
    chain = run(k, start, step_size=step_size, noise=noise, steps=1)
    end, temperature = chain.end, noise**2 / (2 * step_size)

    def log_kernel(to: Tensor, origin: Tensor) -> Tensor:
        return -(to - (1 - step_size * k) * origin).square().sum(1) / (2 * noise**2)

    log_ratio = 0.5 * k * (start.square().sum(1) - end.square().sum(1)) / temperature
    log_ratio = log_ratio + log_kernel(start, end) - log_kernel(end, start)
    torch.testing.assert_close(chain.acceptance, log_ratio.exp().clamp(max=1).mean())


def test_acceptance_tells_short_steps_from_long_ones() -> None:
    start = torch.randn(1000, 3)
    # At unit temperature, near equilibrium; with lambda k above 1 the descent overshoots.
    assert run(1.0, start, step_size=1e-3, noise=(2e-3) ** 0.5).acceptance > 0.99
    assert run(1.0, start, step_size=1.9, noise=3.8**0.5).acceptance < 0.6
    assert run(1.0, start, step_size=1.9, noise=3.8**0.5, steps=1).acceptance < 0.3


def test_explosion_is_counted_not_raised() -> None:
    start = torch.zeros(4, 2)
    start[0] = 1.0
    chain = run(1e3, start, step_size=1.0, noise=0.0, steps=20)
    assert int(chain.nonfinite) == 1
    assert chain.displacement.isfinite()


def test_clipped_gradient() -> None:
    chain = run(1.0, torch.tensor([[30.0, 40.0], [0.03, 0.04]]), noise=0.0, steps=1, gradient_clip=0.5)
    torch.testing.assert_close(chain.end, torch.tensor([[29.97, 39.96], [0.027, 0.036]]))


def test_any_energy_by_autograd() -> None:
    by_hand = run(2.0, torch.ones(3, 2))
    potential = from_energy(lambda z: z.square().sum(1))
    by_autograd = langevin_chain(
        potential, torch.ones(3, 2), step_size=0.1, noise=0.3, steps=100, generator=torch.Generator().manual_seed(1)
    )
    torch.testing.assert_close(by_autograd.end, by_hand.end)
