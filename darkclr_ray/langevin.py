"""Langevin chains (Eq. 10 of the paper, with its sign corrected) for contrastive divergence."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import NamedTuple, Protocol

import torch
from torch import Tensor

from darkclr_ray.normal import normal_like

Potential = Callable[[Tensor], tuple[Tensor, Tensor]]
"""Function U from z (B, d) to its values (B,) and its gradients (B, d)."""


class LastStep(NamedTuple):
    """Quantities of the last step of B chains, (B,) each.

    ``before`` and ``after`` are U at its ends, ``noise`` the squared length of its eps, and ``back`` that of the sigma
    eps of the reverse step.
    """

    before: Tensor
    after: Tensor
    noise: Tensor
    back: Tensor


class LangevinKernel(Protocol):
    """Protocol of functions that move chains (B, d), in place, by at least one step on their potential."""

    def __call__(
        self, z: Tensor, *, step_size: float, noise: float, steps: int, generator: torch.Generator
    ) -> LastStep: ...


class ChainResult(NamedTuple):
    """Final state of B chains and its diagnostics, all as tensors, so that a GPU is not synchronised.

    Attributes:
        end: final positions, float32 (B, d), detached.
        displacement: root mean square of end - start over finite chains and dimensions, in the units of the start: for
            representations scaled to unit variance, in units of the data's standard deviation.
        nonfinite: number of chains whose end is not at a finite distance: a coordinate or its square is not finite.
        acceptance: mean probability with which a Metropolis-Hastings test would accept the last step as a step
            towards exp(-U / T) at the chain's own temperature T = sigma^2 / (2 lambda). Near 1 the chain follows the
            diffusion that it discretises; a step that is too long reduces it to 1/2 in the chain's own stationary state
            and to 0 outside of it. It is nan without noise.
    """

    end: Tensor
    displacement: Tensor
    nonfinite: Tensor
    acceptance: Tensor


@torch.no_grad()
def langevin_chain(
    potential: Potential,
    start: Tensor,
    *,
    step_size: float,
    noise: float,
    steps: int,
    generator: torch.Generator,
    gradient_clip: float | None = None,
    walk: LangevinKernel | None = None,
) -> ChainResult:
    """Run ``steps`` steps z <- z - lambda grad U(z) + sigma eps from every row of ``start`` (Eq. 10).

    Eq. 10 as printed ascends the energy: for p = exp(-E) / Omega, log p decreases where E increases, so that the chain
    has to descend E. Its stationary temperature is sigma^2 / (2 lambda), up to the discretisation. For a normalised
    autoencoder U is the squared error summed over dimensions (`Autoencoder.potential`), so that lambda has the same
    meaning for every d_z.

    Nothing is raised for a chain that diverges: callers check ``nonfinite`` and ``displacement``.

    Args:
        potential: U, with its gradient; see ``from_energy``.
        start: float32 (B, d); not changed.
        step_size: lambda.
        noise: sigma, standard deviation of the noise per step, in the units of the start.
        steps: number of steps, at least 1.
        generator: random number generator of the noise, on the device of the start, seeded by the caller.
        gradient_clip: largest norm of a chain's gradient in one step, or None.
        walk: kernel that replaces `step_by_step` if gradients are not clipped.
    """
    if walk is None or gradient_clip is not None:
        walk = partial(step_by_step, potential, gradient_clip=gradient_clip)
    z = start.detach().clone()
    last = walk(z, step_size=step_size, noise=noise, steps=steps, generator=generator)
    # log of q(previous | z) / q(z | previous) times exp(-(U(z) - U(previous)) / T), with T = sigma^2 / (2 lambda).
    variance = noise**2 or math.nan
    log_ratio = (last.noise - last.back / variance) / 2 - (last.after - last.before) * (2 * step_size / variance)
    distance = (z - start).square().mean(1)
    finite = distance.isfinite()
    return ChainResult(
        end=z,
        displacement=mean_where(finite, distance).sqrt(),
        nonfinite=(~finite).sum(),
        acceptance=mean_where(finite, log_ratio.clamp(max=0.0).exp()),
    )


@torch.no_grad()
def projected_chain(
    potential: Potential,
    start: Tensor,
    *,
    step_size: float,
    noise: Sequence[float],
    generator: torch.Generator,
    clip: Callable[[Tensor], Tensor],
    project: Callable[[Tensor], Tensor] = lambda z: z,
) -> Tensor:
    """Return the ends, (B, d), of chains with one step for each entry of ``noise``, its standard deviation.

    A step is z <- project(z - lambda clip(grad U(z)) + sigma eps), for chains on a manifold, such as a sphere.

    >>> square = from_energy(lambda z: z.square().sum(1))
    >>> random = torch.Generator().manual_seed(1)
    >>> projected_chain(
    ...     square, torch.tensor([[1.0]]), step_size=0.25, noise=[0.0, 0.0], generator=random, clip=lambda g: g
    ... )
    tensor([[0.2500]])
    """
    z = start.detach().clone()
    for sigma in noise:
        _, gradient = potential(z)
        z = project(z - step_size * clip(gradient) + sigma * normal_like(z, generator))
    return z


@torch.no_grad()
def step_by_step(
    potential: Potential,
    z: Tensor,
    *,
    step_size: float,
    noise: float,
    steps: int,
    generator: torch.Generator,
    gradient_clip: float | None = None,
) -> LastStep:
    """Run the steps of a `LangevinKernel` on any potential."""
    for _ in range(steps):
        previous = z.clone()
        before, gradient = potential(z)
        eps = normal_like(z, generator)
        z.add_(clipped(gradient, gradient_clip), alpha=-step_size).add_(eps, alpha=noise)
    after, gradient = potential(z)
    back = previous - z + step_size * clipped(gradient, gradient_clip)
    return LastStep(before, after, eps.square().sum(1), back.square().sum(1))


def from_energy(energy: Callable[[Tensor], Tensor]) -> Potential:
    """Return a potential from any differentiable energy (B, d) -> (B,), with its gradient from autograd.

    >>> values, gradients = from_energy(lambda z: z.square().sum(1))(torch.tensor([[1.0, 2.0]]))
    >>> values.tolist(), gradients.tolist()
    ([5.0], [[2.0, 4.0]])
    """

    def potential(z: Tensor) -> tuple[Tensor, Tensor]:
        with torch.enable_grad():
            z = z.detach().requires_grad_()
            values = energy(z)
            (gradient,) = torch.autograd.grad(values.sum(), z)
        return values.detach(), gradient

    return potential


def clipped(gradient: Tensor, largest: float | None) -> Tensor:
    """Return ``gradient`` with rows longer than ``largest`` scaled down to that norm."""
    if largest is None:
        return gradient
    norms: Tensor = torch.linalg.vector_norm(gradient, dim=1, keepdim=True)
    return gradient * (largest / norms.clamp(min=1e-30)).clamp(max=1.0)


def mean_where(condition: Tensor, values: Tensor) -> Tensor:
    """Return the mean of the values for which the condition holds, or nan if it holds for none."""
    return torch.where(condition, values, torch.zeros_like(values)).sum() / condition.sum()
