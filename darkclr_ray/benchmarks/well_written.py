"""Well-written PyTorch without kernels, which kernels have to outrun to be worth their lines.

It is the package with kernels off: length-bucketed jets with scaled-dot-product attention, one pass over all views, and
fused Adam. It is measured eagerly and compiled by `torch.compile`, with chains of ten unrolled steps; the faster one
counts.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from darkclr_ray.benchmarks import timing
from darkclr_ray.benchmarks.result import AUTOCAST, OURS, PLAIN, TORCH, Result
from darkclr_ray.benchmarks.timing import Action, Rates
from darkclr_ray.kernels.registry import use_kernels
from darkclr_ray.langevin import LastStep
from darkclr_ray.networks.autoencoder import Autoencoder
from darkclr_ray.networks.encoder import Encoder
from darkclr_ray.training.trainer import AnyTraining

EAGER, COMPILED = "eager", "compiled"
UNROLLED = 10
"""Number of Langevin steps in one compiled function."""


class WellWritten(NamedTuple):
    """Actions of the eager and, if `torch.compile` works here, the compiled version.

    ``seconds`` is the time that compilation took, and ``note`` is the reason if it failed.
    """

    ways: dict[str, Action]
    seconds: float
    note: str


def well_written(start: Callable[[], AnyTraining], action: Callable[[AnyTraining], Action]) -> WellWritten:
    """Return the versions of a training's step; ``action`` makes one from a training, which ``start`` returns."""
    eager, compiled = start(), start()
    for training in (eager, compiled):
        use_kernels(nn.ModuleDict(training.modules), "off")
    ways = {EAGER: action(eager)}
    compile_networks(nn.ModuleDict(compiled.modules))
    started = timing.clock()
    try:
        ways[COMPILED] = action(compiled)
        ways[COMPILED]()
    except RuntimeError as error:  # without a C++ compiler, for example
        del ways[COMPILED]
        return WellWritten(ways, 0.0, f"torch.compile fails: {str(error).splitlines()[0]}")
    return WellWritten(ways, timing.clock() - started, "")


def with_fastest(rates: Rates) -> Rates:
    """Return the rates with those of the faster version under the name `TORCH`, too."""
    name = max((way for way in (EAGER, COMPILED) if way in rates.measured), key=lambda way: rates[way])
    return Rates({**rates.measured, TORCH: rates.measured[name]})


class Phase(NamedTuple):
    """Phase of a training: the rates of its steps, the number of jets in all its steps, and well-written PyTorch."""

    rates: Rates
    jets: float
    torch: WellWritten


def whole_training(stage: str, case: str, phases: Sequence[Phase], *, aim: str = "", note: str = "") -> Result:
    """Return the minutes of a whole training, from the rates of its steps and the time of `torch.compile`."""

    def minutes(way: str) -> float:
        return sum(phase.jets / phase.rates[way] for phase in phases) / 60

    totals = {EAGER: minutes(EAGER)}
    if all(COMPILED in phase.rates.measured for phase in phases):
        totals[COMPILED] = minutes(COMPILED) + sum(phase.torch.seconds for phase in phases) / 60
    best = min(totals, key=lambda way: totals[way])
    told = ", ".join(f"{way} {total:.3g} min" for way, total in totals.items())
    seconds = sum(phase.torch.seconds for phase in phases)
    reasons = dict.fromkeys(phase.torch.note for phase in phases if phase.torch.note)
    # means of the phases' ratios, each measured in the same rounds, weighted with the package's time in the phase
    ours = [phase.jets / phase.rates[OURS] for phase in phases]
    ratios = (
        sum(time * phase.rates.ratio(OURS, way) for time, phase in zip(ours, phases, strict=True)) / sum(ours)
        for way in (PLAIN, best)
    )
    plain_ratio, torch_ratio = ratios
    if best == COMPILED:
        torch_ratio += seconds / sum(ours)
    return Result(
        stage,
        case,
        "min",
        minutes(OURS),
        minutes(PLAIN),
        minutes(AUTOCAST),
        totals[best],
        torch_ratio,
        plain_ratio,
        aim=aim,
        note="; ".join(filter(None, (note, f"torch: {told}, of which torch.compile took {seconds:.0f} s", *reasons))),
    )


def compile_networks(module: nn.Module) -> None:
    """Compile the networks in a module, for batches of any sizes."""
    for network in module.modules():
        if isinstance(network, Encoder):
            vars(network)["padded"] = torch.compile(network.padded, dynamic=True)
        elif isinstance(network, Autoencoder):
            walk = compiled_walk(network)
            vars(network).update(energy=torch.compile(network.energy), walk=walk)


def compiled_walk(autoencoder: Autoencoder) -> Callable[..., LastStep]:
    """Return `Autoencoder.walk` with all but the last steps of chains compiled, `UNROLLED` at a time."""
    gradient: Callable[[Tensor], Tensor] = torch.func.grad(
        lambda z: autoencoder.d_z * Autoencoder.energy(autoencoder, z).sum()
    )

    @torch.compile
    def unrolled(z: Tensor, step_size: float, noise: float) -> Tensor:
        for _ in range(UNROLLED):
            z = z - step_size * gradient(z) + noise * torch.randn_like(z)
        return z

    def walk(z: Tensor, *, steps: int, step_size: float, noise: float, **rest: Any) -> LastStep:
        times, left = divmod(steps - 1, UNROLLED)
        with torch.no_grad():
            for _ in range(times):
                z.copy_(unrolled(z, step_size, noise))
        return Autoencoder.walk(autoencoder, z, steps=left + 1, step_size=step_size, noise=noise, **rest)

    return walk
