"""Run the steps of an epoch and sum their scalars, either eagerly or by replaying CUDA graphs on a GPU."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Sequence
from typing import Any, NamedTuple, Protocol

import torch
from torch import Tensor

from darkclr_ray.kernels.registry import REFERENCE, implementations_of
from darkclr_ray.training.base import Training, to_device

WARM_UP = 3
"""Number of runs of a step before it is captured, in which code is compiled and memory is allocated."""


class Steps(Protocol):
    """Protocol of objects that run a training's steps and sum their scalars."""

    def begin(self) -> None:
        """Begin an epoch: reset the sums."""

    def take(self, batch: Any) -> None:
        """Update the weights on one batch. Raises TrainingDiverged; on a GPU only `means` may raise it."""

    def means(self) -> dict[str, float]:
        """Return the means of the scalars over the steps since `begin`; synchronises a GPU. Raises TrainingDiverged."""


def steps_of(training: Training) -> Steps:
    """Return the object that runs a training's steps.

    CUDA graphs need a single GPU, kernels for all networks, and an optimiser that can be captured.
    """
    used = {name for module in training.modules.values() for name in implementations_of(module).values()}
    graphs = training.device.type == "cuda" and training.world_size == 1 and used and REFERENCE not in used
    return CudaGraphSteps(training) if graphs and fused(training.optimizer) else EagerSteps(training)


def fused(optimizer: torch.optim.Optimizer) -> bool:
    """Return whether an optimiser is torch's fused Adam, whose steps can be captured and skipped on the device."""
    return isinstance(optimizer, torch.optim.Adam) and all(group["fused"] for group in optimizer.param_groups)


class EagerSteps:
    """Run each step with `Training.step`."""

    def __init__(self, training: Training) -> None:
        self.training = training
        self.begin()

    def begin(self) -> None:
        self.sums: dict[str, float] = defaultdict(float)
        self.taken = 0

    def take(self, batch: Any) -> None:
        for name, value in self.training.step(batch).items():
            self.sums[name] += value
        self.taken += 1

    def means(self) -> dict[str, float]:
        return {name: value / self.taken for name, value in self.sums.items()}


class MetricSums(NamedTuple):
    """Sums of the scalars of steps on a GPU, in float64.

    ``sums``, (names,), and ``taken``, (), cover the steps that changed weights; ``last``, (names,), holds the scalars
    of the step in which the training diverged.
    """

    names: tuple[str, ...]
    sums: Tensor
    taken: Tensor
    last: Tensor


class Recording(NamedTuple):
    """CUDA graph of a step on inputs of one shape, with the tensors that it reads and the sums that it updates."""

    graph: torch.cuda.CUDAGraph
    inputs: list[Tensor]
    tally: MetricSums


class CudaGraphSteps:
    """Run steps as CUDA graphs, since launching the kernels of a small network takes longer than computing them.

    No step synchronises the GPU. A step whose loss or gradient is not finite sets ``diverged_flag``; later steps then
    change neither weights nor sums, and the next `means` raises TrainingDiverged. The weights are those before that
    step, as on a CPU.
    """

    def __init__(self, training: Training) -> None:
        self.training = training
        self.optimizer: torch.optim.Optimizer | None = None
        self.diverged_flag = torch.zeros((), device=training.device)
        self.recordings: dict[Hashable, Recording] = {}
        self.tallies: dict[tuple[str, ...], MetricSums] = {}
        self.tally: MetricSums | None = None

    def begin(self) -> None:
        for tally in self.tallies.values():
            tally.sums.zero_()
            tally.taken.zero_()

    def take(self, batch: Any) -> None:
        training = self.training
        if self.optimizer is not training.optimizer:
            self.adopt(training.optimizer)
        inputs = training.prepare(batch)
        if training.graph_capturable(inputs):
            self.tally = self.replay(inputs, batch)
        else:
            training.seed_step(batch)
            self.tally = self.run([to_device(value, training.device) for value in inputs])
        training.step_number += 1

    def means(self) -> dict[str, float]:
        assert self.tally is not None
        names, sums, taken, last = self.tally
        diverged_flag, steps, *values = torch.cat(
            [torch.stack([self.diverged_flag.double(), taken]), sums, last]
        ).tolist()
        if diverged_flag:
            self.training.step_number = round(steps)
            self.training.check(dict(zip(names, values[len(names) :], strict=True)))
            raise AssertionError(f"{self.training.kind}: stuck, but nothing is wrong with {values}")
        return {name: value / steps for name, value in zip(names, values, strict=False)}

    def replay(self, inputs: Sequence[Any], batch: Any) -> MetricSums:
        """Replay the step on these inputs; capture it first if their shapes are new."""
        shape = tuple((tuple(v.shape), v.dtype) if isinstance(v, Tensor) else v for v in inputs)
        if shape not in self.recordings:
            self.recordings[shape] = self.record(inputs)
        graph, own, tally = self.recordings[shape]
        given = (value for value in inputs if isinstance(value, Tensor))
        for place, value in zip(own, given, strict=True):
            place.copy_(value if value.is_cuda else value.pin_memory(), non_blocking=True)
        self.training.seed_step(batch)
        graph.replay()
        return tally

    def adopt(self, optimizer: torch.optim.Optimizer) -> None:
        """Use a fused Adam for captured steps, which changes nothing while ``diverged_flag`` is set.

        As `torch.amp.GradScaler` does, it is told by ``found_inf`` to skip a step.
        """
        self.recordings.clear()
        self.optimizer = optimizer
        optimizer.found_inf = self.diverged_flag  # type: ignore[attr-defined]
        for group in optimizer.param_groups:
            group["capturable"] = True

    def record(self, inputs: Sequence[Any]) -> Recording:
        """Return a captured graph of the step; the weights are not changed."""
        device = self.training.device
        inputs = [to_device(value, device).clone() if isinstance(value, Tensor) else value for value in inputs]
        before = self.diverged_flag.clone()
        self.diverged_flag.fill_(1.0)
        stream = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]
        stream.wait_stream(torch.cuda.current_stream(device))
        with torch.cuda.stream(stream):
            for _ in range(WARM_UP):
                tally = self.run(inputs)
        torch.cuda.current_stream(device).wait_stream(stream)
        graph = torch.cuda.CUDAGraph()
        graph.register_generator_state(self.training.generator)
        with torch.cuda.graph(graph, capture_error_mode="thread_local"):
            self.run(inputs)
        self.diverged_flag.copy_(before)
        return Recording(graph, [value for value in inputs if isinstance(value, Tensor)], tally)

    def run(self, inputs: Sequence[Any]) -> MetricSums:
        """Launch the kernels of one step."""
        means = self.training.gradients(inputs, self.training.batch_size)
        values = torch.stack(list(means.values())).double()
        names = tuple(means)
        if names not in self.tallies:
            self.tallies[names] = MetricSums(
                names, torch.zeros_like(values), torch.zeros_like(values[0]), values.clone()
            )
        tally = self.tallies[names]
        has_diverged = self.training.has_diverged(means)
        tally.last.copy_(torch.where(has_diverged & (self.diverged_flag == 0), values, tally.last))
        self.diverged_flag.copy_(has_diverged | (self.diverged_flag > 0))
        tally.sums.add_(torch.where(self.diverged_flag == 0, values, 0.0))
        tally.taken.add_(self.diverged_flag == 0)
        self.training.optimizer.step()
        return tally
