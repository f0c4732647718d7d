"""What every training is: a state machine of torch modules and an optimiser that takes one batch at a time."""

from __future__ import annotations

import copy
import math
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from darkclr_ray.fs_checks import is_of_disk
from darkclr_ray.integrity import replacing
from darkclr_ray.networks.autoencoder import Autoencoder
from darkclr_ray.networks.encoder import Encoder
from darkclr_ray.randomness import reseed
from darkclr_ray.training.parallel import weighted_sum

CPU = torch.device("cpu")
ROWS_TOGETHER = 1024
"""Constituents of a batch on a GPU are filled up to a multiple of this: few shapes, little waste."""


class TrainingDiverged(RuntimeError):
    """A training cannot go on: its loss, gradient or chains are no longer finite numbers. The message says which."""


class Training(ABC):
    """A training as a state machine; `run_training` drives it, on one process or on every rank of many.

    The outcome is a function of `key()`, the precision and the number of workers only: what a step draws at random is
    keyed on (seed, epoch, step), so a training taken up again from an epoch's end ends in the same weights.

    A subclass sets, in its constructor:
        epochs, steps_per_epoch: the length of the training.
        batch_size: members of a global batch, over all ranks.
        modules: name -> module to be trained, on the CPU.
        optimizer: an optimiser over the modules' parameters.
    """

    kind: ClassVar[str]
    """What is trained: the name of the stage, for folders, displays and reports."""

    epochs: int
    steps_per_epoch: int
    batch_size: int
    modules: dict[str, nn.Module]
    optimizer: torch.optim.Optimizer

    device: torch.device = torch.device("cpu")
    precision: str = "float32"
    rank: int = 0
    world_size: int = 1
    epoch: int = 0
    step_number: int = 0

    def __init__(self) -> None:
        self.history: list[dict[str, Any]] = []
        """One record a finished epoch."""
        self.generator = torch.Generator()
        """Of a step's random numbers, on the device; seeded anew by every step."""
        self.best: dict[str, Any] | None = None
        """Epoch, value and weights of the best epoch so far, by `selection`."""

    @abstractmethod
    def key(self) -> dict[str, Any]:
        """What determines the outcome, as JSON-able values: settings that matter, seed, the input's fingerprint."""

    def plugin_modules(self) -> tuple[str, ...]:
        """Modules that take part beside that of the training's own class: other people's, or makers of its input."""
        return ()

    @abstractmethod
    def stream(self, first_epoch: int, rank: int, world_size: int) -> Iterator[Any]:
        """This rank's slices of all global batches from ``first_epoch`` to the last epoch, in order."""

    @abstractmethod
    def size(self, batch: Any) -> int:
        """How many members of the global batch this rank's slice holds."""

    @abstractmethod
    def prepare(self, batch: Any) -> tuple[Any, ...]:
        """What `loss` takes, from a batch: tensors, wherever they lie, and plain numbers and words.

        A GPU records a step once for each shape of the tensors and each value of the rest, so there should be few.
        """

    def graph_capturable(self, inputs: Sequence[Any]) -> bool:
        """Whether a GPU may record the step of what `prepare` made: nothing in it asks for a number on the host."""
        return True

    @abstractmethod
    def loss(self, *args: Any, **kwargs: Any) -> dict[str, Tensor]:
        """Scalars of a batch, each a mean over its members; "loss" is the one whose gradient is followed.

        It takes what `prepare` made, with the tensors on the device, and draws from ``self.generator``.
        """

    @abstractmethod
    def step_key(self, batch: Any) -> tuple[int | str, ...]:
        """What the random numbers of a batch's step are keyed on."""

    @abstractmethod
    def selection(self, record: Mapping[str, Any]) -> float | None:
        """What the best epoch has least of, from an epoch's record; None where the epoch cannot be chosen."""

    @abstractmethod
    def describe(self) -> str:
        """The settings that a user would change if the training diverged, for the message."""

    def begin_epoch(self, epoch: int) -> None:
        """Called before the first step of every epoch."""
        self.epoch = epoch
        self.step_number = 0
        for module in self.modules.values():
            module.train()

    def step(self, batch: Any) -> dict[str, float]:
        """Follow the gradient of one batch; its scalars, as means over the global batch.

        Raises TrainingDiverged, on every rank and with the weights as they were, if loss or gradient is not finite.
        """
        inputs = [to_device(value, self.device) for value in self.prepare(batch)]
        self.seed_step(batch)
        metrics = numbers(self.gradients(inputs, self.size(batch)))
        self.check(metrics)
        self.optimizer.step()
        self.step_number += 1
        return metrics

    def seed_step(self, batch: Any) -> None:
        """Set the generator to where the step of this batch begins, whatever was drawn before."""
        reseed(self.generator, *self.step_key(batch))

    def gradients(self, inputs: Sequence[Any], size: int) -> dict[str, Tensor]:
        """The gradients of this rank's ``size`` members of the global batch, on the parameters; the batch's scalars."""
        self.optimizer.zero_grad(set_to_none=True)
        scalars = self.loss(*inputs)
        scalars["loss"].backward()  # type: ignore[no-untyped-call]
        parameters = [p for group in self.optimizer.param_groups for p in group["params"]]
        gradients = [p.grad for p in parameters if p.grad is not None]
        means = self.global_means(scalars, size, gradients)
        means["gradient_norm"] = torch.nn.utils.get_total_norm(gradients)
        return means

    def global_means(
        self, scalars: Mapping[str, Tensor], size: int, gradients: Sequence[Tensor] = ()
    ) -> dict[str, Tensor]:
        """Means over the global batch of means over this rank's ``size`` members; gradients are changed in place."""
        values = torch.stack([scalar.detach().float() for scalar in scalars.values()])
        if self.world_size > 1:
            weighted_sum([values, *gradients], size / self.batch_size)
        return dict(zip(scalars, values, strict=True))

    def has_diverged(self, means: Mapping[str, Tensor]) -> Tensor:
        """Whether `check` raises for these scalars, as a truth value on their device."""
        return ~(means["loss"].isfinite() & means["gradient_norm"].isfinite())

    def check(self, metrics: Mapping[str, float]) -> None:
        """Raises TrainingDiverged where the loss or the gradient is not finite."""
        for name, meaning in (("loss", "loss"), ("gradient_norm", "norm of the loss's gradient")):
            if not math.isfinite(metrics[name]):
                raise TrainingDiverged(
                    f"{self.kind}: the {meaning} became {metrics[name]} in epoch {self.epoch}, step {self.step_number} "
                    f"({self.describe()})"
                )

    def end_epoch(self, means: dict[str, float]) -> dict[str, Any]:
        """The record of the finished epoch, from its scalars' means over the steps; keeps the best epoch's weights."""
        record = self.record(means)
        value = self.selection(record)
        if value is not None and (self.best is None or value < self.best["value"]):
            self.best = {"epoch": self.epoch, "value": value, "modules": copy.deepcopy(self.module_states())}
        return record

    def record(self, means: dict[str, float]) -> dict[str, Any]:
        """An epoch's line in the history, from the means of its scalars over the steps."""
        return {"epoch": self.epoch, **means}

    def finish(self) -> None:
        """Load the best epoch's weights; the modules are what the training leaves behind."""
        if self.best is not None:
            self.load_module_states(self.best["modules"])
        for module in self.artifacts().values():
            module.eval().requires_grad_(False)

    def artifacts(self) -> dict[str, nn.Module]:
        """What the training leaves behind, by the name of its weights' file."""
        return self.modules

    def save_artifacts(self, folder: Path) -> None:
        """Write each product's weights to ``folder/<name>.safetensors``, atomically."""
        folder.mkdir(parents=True, exist_ok=True)
        for name, module in self.artifacts().items():
            save_weights(module, folder / f"{name}.safetensors")

    def load_artifacts(self, folder: Path) -> None:
        """Take over the products that a finished training of the same key left in ``folder``."""
        for name, module in self.artifacts().items():
            load_weights(module, folder / f"{name}.safetensors")
            module.eval().requires_grad_(False)

    def to(self, device: torch.device, precision: str, rank: int = 0, world_size: int = 1) -> None:
        """Move to a device and take a place among the workers, before the first step."""
        self.device, self.precision, self.rank, self.world_size = device, precision, rank, world_size
        self.generator = torch.Generator(device)
        for module in self.artifacts().values():
            place(module, device, precision)

    def state_dict(self) -> dict[str, Any]:
        """Everything that a later process needs to go on after the last finished epoch, loadable with weights_only."""
        return {"modules": self.module_states(), "optimizer": self.optimizer.state_dict(), "best": self.best}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go back to a state that `state_dict` gave."""
        self.load_module_states(state["modules"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.best = state["best"]

    def module_states(self) -> dict[str, dict[str, Tensor]]:
        return {name: module.state_dict() for name, module in self.modules.items()}

    def load_module_states(self, states: Mapping[str, Mapping[str, Tensor]]) -> None:
        for name, module in self.modules.items():
            module.load_state_dict(states[name])


def adam(modules: Mapping[str, nn.Module], learning_rate: float, **options: Any) -> torch.optim.Adam:
    """Adam over all parameters, in its fused form: one kernel instead of a loop over tensors."""
    parameters = [parameter for module in modules.values() for parameter in module.parameters()]
    return torch.optim.Adam(parameters, lr=learning_rate, fused=True, **options)


def numbers(scalars: Mapping[str, Tensor]) -> dict[str, float]:
    """The values of scalar tensors; a GPU is waited for once."""
    return dict(zip(scalars, torch.stack(list(scalars.values())).tolist(), strict=True))


def place(module: nn.Module, device: torch.device, precision: str) -> None:
    """Move a module to a device, and let the networks in it multiply matrices in ``precision``."""
    module.to(device)
    for part in module.modules():
        if isinstance(part, Encoder | Autoencoder):
            part.matmul_dtype = torch.bfloat16 if precision == "bfloat16" else torch.float32


def save_weights(module: nn.Module, path: Path) -> None:
    """Write a module's parameters and buffers as safetensors, atomically."""
    with replacing(path) as partial:
        save_file({name: value.detach().cpu().contiguous() for name, value in module.state_dict().items()}, partial)


def load_weights(module: nn.Module, path: Path) -> None:
    """Read what `save_weights` wrote. Raises ValueError where file and module do not fit."""
    try:
        module.load_state_dict(load_file(path))
    except (RuntimeError, OSError, SafetensorError) as error:
        if is_of_disk(error):
            raise
        words = " ".join(str(error).split())[:300]
        raise ValueError(
            f"{path} does not hold the weights of this {type(module).__name__}: {words}; copy the model again"
        ) from error


def to_tensor(array: NDArray[Any], device: torch.device) -> Tensor:
    """A numpy array on a device; read-only arrays (views of a shared store) are copied."""
    return torch.from_numpy(array if array.flags.writeable else np.array(array)).to(device, non_blocking=True)


def to_device(value: Any, device: torch.device) -> Any:
    """A tensor on a device; anything else as it is."""
    return value.to(device, non_blocking=True) if isinstance(value, Tensor) else value


def packed_inputs(
    constituents: NDArray[np.float32], offsets: NDArray[np.int64], device: torch.device
) -> tuple[Tensor, Tensor, int]:
    """What an encoder takes of packed jets: constituents, offsets, and an upper bound of the jets' lengths.

    For a GPU, which records a step for each shape, rows are filled up to a multiple of `ROWS_TOGETHER` and the bound is
    a power of two; on a CPU nothing is copied.
    """
    longest = int(np.diff(offsets).max())
    if device.type == "cuda":
        longest = 1 << (longest - 1).bit_length()
        constituents = np.concatenate(
            [constituents, np.zeros((-len(constituents) % ROWS_TOGETHER, 3), dtype=np.float32)]
        )
    return to_tensor(constituents, CPU), to_tensor(offsets, CPU), longest
