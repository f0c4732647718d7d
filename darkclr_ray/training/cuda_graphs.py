"""The steps of an epoch and the sums of their scalars: one after the other, or recorded once and replayed on a GPU."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Sequence
from typing import Any, NamedTuple, Protocol

import torch
from torch import Tensor

from darkclr_ray.networks.kernels.available import has_kernels
from darkclr_ray.training.base import Training, to_device

WARM_UP = 3
"""Runs of a step before it is recorded: what is compiled, chosen or allocated at first use, is so by then."""


class Steps(Protocol):
    """Takes a training's steps and adds up their scalars."""

    def begin(self) -> None:
        """An epoch begins: forget the sums."""

    def take(self, batch: Any) -> None:
        """Follow the gradient of one batch. Raises TrainingDiverged; a GPU may know only later, see `means`."""

    def means(self) -> dict[str, float]:
        """Means of the scalars over the steps since `begin`. Waits for a GPU. Raises TrainingDiverged."""


def steps_of(training: Training) -> Steps:
    """What takes the steps of a training where it is: recorded on a GPU of its own, else one after the other."""
    if training.device.type != "cuda" or training.world_size > 1 or not has_kernels():
        return EagerSteps(training)
    from darkclr_ray.networks.kernels.gpu.adam import FlatAdam  # needs Triton

    return CudaGraphSteps(training) if FlatAdam.fits(training.optimizer) else EagerSteps(training)


class EagerSteps:
    """Each step as `Training.step` takes it."""

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
    """Float64 tensors on the GPU: over the steps that changed weights the sums of their scalars, (names,), and how many
    they were, (); and the scalars of the step that the training could not go on from, (names,)."""

    names: tuple[str, ...]
    sums: Tensor
    taken: Tensor
    last: Tensor


class Recording(NamedTuple):
    """A step on inputs of one shape: what replays it, the tensors that it reads, and its tally."""

    graph: torch.cuda.CUDAGraph
    inputs: list[Tensor]
    tally: MetricSums


class CudaGraphSteps:
    """Steps of small networks on a GPU, which takes longer to be told each kernel of a step than to compute them all.

    Nothing waits for the GPU: a step whose loss or gradient is not finite sets ``diverged_flag``, and from then on no
    step changes weights or sums, until the next `means` says so. The weights are those from before that step, as on a
    CPU.
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
        """The step on these inputs, recorded if none of their shape was."""
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
        """Let an optimiser be recorded, and leave weights and its own state alone where ``diverged_flag`` says so."""
        from darkclr_ray.networks.kernels.gpu.adam import FlatAdam  # needs Triton

        self.recordings.clear()
        self.optimizer = optimizer
        self.adam = FlatAdam(optimizer, self.diverged_flag)

    def record(self, inputs: Sequence[Any]) -> Recording:
        """A recording of the step, which has changed nothing yet."""
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
        """A step, as asked of the GPU."""
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
        self.adam.step()
        return tally
